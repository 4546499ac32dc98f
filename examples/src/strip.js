/**
 * The live strip of a demo page: what host the tab uses, how many tabs share it, what the server counts, and the
 * switches that disturb the server. It only looks at the connection; it holds no state that matters.
 */

import { ClusterPanel } from './cluster-panel.js';
import { killWorker } from './connect.js';

/** How often the server and the host are asked, in milliseconds, while the page is visible. */
const POLL_MS = 1000;
const SHORT_OUTAGE_MS = 10_000;
/** How long a changed count stands out, in milliseconds. */
const GLOW_MS = 1200;

const HOST_NAMES = {
  'shared-worker': 'Shared worker',
  'elected-tab': 'Elected tab',
  'in-page': 'In this page',
};

const STORE_NAMES = {
  indexeddb: 'In the browser',
  custom: 'In a storage',
  memory: 'In memory',
};

const MARKUP = `
  <dl>
    <div class="wide"><dt>Host</dt><dd data-cell="host">…</dd><dd class="note" data-cell="reason"></dd></div>
    <div><dt>Tabs on it</dt><dd data-cell="tabs">…</dd></div>
    <div><dt>Server sockets</dt><dd data-cell="sockets">…</dd></div>
    <div><dt>Pending ops</dt><dd data-cell="pending">…</dd><dd class="note" data-cell="waiting"></dd></div>
    <div><dt>Version</dt><dd data-cell="version">…</dd></div>
    <div><dt>Kept</dt><dd data-cell="store">…</dd><dd class="note" data-cell="letters"></dd></div>
    <div class="wide"><dt>Connection</dt><dd class="dot" data-cell="state">…</dd><dd class="note" data-cell="server"></dd></div>
  </dl>
  <section data-part="cluster" aria-label="Servers behind nginx" hidden></section>
  <ul class="people" id="who" aria-label="Who has this document open"></ul>
  <div class="actions">
    <a class="button primary" data-action="open" target="_blank" rel="noopener">Open another tab</a>
    <button type="button" data-action="apart" title="Closes the connection of this tab alone">Take this tab offline</button>
    <button type="button" data-action="kill" title="Ends the worker as a crash would; the next one goes on from what it had written">Kill the worker</button>
    <button type="button" data-action="offline" title="The server drops all sockets and refuses new ones">Take the server away</button>
    <button type="button" data-action="blink">Away for 10 s</button>
    <button type="button" data-action="restart">Restart the server</button>
    <a class="button" data-action="keep"></a>
    <a class="button" data-action="debug" target="_blank" rel="noopener">Debug</a>
  </div>
`;

/**
 * Shows the strip in `element` and keeps it up to date.
 * @param {HTMLElement} element
 * @param {{connection: object, doc: object}} page
 */
export function showStrip(element, { connection, doc }) {
  element.innerHTML = MARKUP;
  const strip = new Strip(element, connection, doc);
  strip.listen();
  strip.poll();
}

class Strip {
  constructor(element, connection, doc) {
    this.element = element;
    this.connection = connection;
    this.doc = doc;
    this.server = null;
    this.hostStatus = null;
    this.drawing = false;
    const part = element.querySelector('[data-part="cluster"]');
    this.cluster = new ClusterPanel(part, connection, (server) =>
      this.post(`kill?server=${server}&client=${encodeURIComponent(connection.id)}`),
    );
  }

  listen() {
    const draw = () => this.drawSoon();
    this.connection.on('state', draw);
    this.connection.on('connected', () => this.poll());
    for (const event of ['op batch', 'create', 'del', 'load', 'no write pending'])
      this.doc.on(event, draw);
    setInterval(() => document.hidden || this.poll(), POLL_MS);
    document.addEventListener('visibilitychange', () => document.hidden || this.poll());
    this.action('open').href = location.href;
    this.action('debug').href = `./devtools.html${location.search}`;
    this.offerStore();
    this.action('apart').addEventListener('click', () => this.switchTab());
    this.action('kill').addEventListener('click', () => killWorker());
    this.action('offline').addEventListener('click', () =>
      this.post(this.server?.offline ? 'restore' : 'cut'),
    );
    this.action('blink').addEventListener('click', () => this.post(`cut?ms=${SHORT_OUTAGE_MS}`));
    this.action('restart').addEventListener('click', () => this.post('restart'));
  }

  /** Another address for the same document, with the durable store or without. */
  offerStore() {
    const other = new URL(location.href);
    const isDurable = other.searchParams.get('store') !== 'session';
    if (isDurable) other.searchParams.set('store', 'session');
    else other.searchParams.delete('store');
    this.action('keep').hidden = !this.connection.storage;
    this.action('keep').href = other.href;
    this.action('keep').textContent = isDurable ? 'Keep nothing' : 'Keep in the browser';
  }

  /** This tab alone: its connection is closed, or opened again. What is written meanwhile waits in the tab, in memory. */
  switchTab() {
    if (this.connection.state === 'closed') this.connection.reconnect();
    else this.connection.close();
  }

  action(name) {
    return this.element.querySelector(`[data-action="${name}"]`);
  }

  poll() {
    const { id } = this.connection;
    this.ask(fetch(id ? `/admin/status?client=${encodeURIComponent(id)}` : '/admin/status'));
    this.connection.hostStatus((error, status) => {
      this.hostStatus = error ? null : status;
      this.drawSoon();
    });
  }

  post(request) {
    return this.ask(fetch(`/admin/${request}`, { method: 'POST' }));
  }

  /** Takes the server's status from the answer to any request. */
  async ask(answer) {
    try {
      this.server = await (await answer).json();
    } catch {
      this.server = null;
    }
    this.drawSoon();
  }

  drawSoon() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.draw();
    });
  }

  draw() {
    const { host, state, storage, deadLetters = [] } = this.connection;
    const offline = this.server?.offline ?? false;
    askBeforeLeaving(state === 'closed' && this.doc.hasWritePending());
    this.fill('host', HOST_NAMES[host?.kind] ?? 'starting');
    this.fill('reason', host?.reason ?? '');
    this.fill('tabs', this.hostStatus?.tabs ?? '–');
    this.fill('sockets', this.server?.sockets ?? '–');
    this.fill('pending', pendingOps(this.doc));
    const waiting = this.hostStatus?.pendingOps ?? 0;
    this.fill('waiting', waiting > pendingOps(this.doc) ? `${waiting} in the host` : '');
    this.fill('version', this.doc.version ?? '–');
    const [store, why] = keptOf(storage);
    this.fill('store', store);
    const refused = deadLetters.length;
    this.fill('letters', refused ? `${refused} refused ops` : why);
    this.fill('state', state);
    this.fill('server', noteOn(state, this.server));
    this.element.dataset.state = state;
    const apart = this.action('apart');
    apart.hidden = !this.connection.reconnect;
    apart.textContent = state === 'closed' ? 'Bring this tab back' : 'Take this tab offline';
    apart.classList.toggle('primary', state === 'closed');
    this.action('kill').hidden = !killWorker || !host?.place?.endsWith('worker');
    this.action('offline').textContent = offline ? 'Give the server back' : 'Take the server away';
    this.action('offline').classList.toggle('primary', offline);
    this.action('blink').disabled = offline;
    this.drawCluster();
  }

  /** A cluster has other switches: no server of it can take all others away. */
  drawCluster() {
    const cluster = this.server?.cluster;
    for (const name of ['offline', 'blink', 'restart']) this.action(name).hidden = Boolean(cluster);
    if (cluster) this.cluster.show(cluster);
  }

  fill(name, value) {
    const cell = this.element.querySelector(`[data-cell="${name}"]`);
    if (cell.textContent === String(value)) return;
    cell.textContent = value;
    cell.title = value;
    if (name === 'tabs' || name === 'sockets')
      cell.animate({ color: ['var(--accent)', 'inherit'] }, GLOW_MS);
  }
}

/** How many ops of this tab the server has not acknowledged. */
function pendingOps(doc) {
  return doc.pendingOps.length + (doc.inflightOp ? 1 : 0);
}

/** A tab that was taken offline has left its host: nobody but its page has what is written then. */
function askBeforeLeaving(isNeeded) {
  if (isNeeded) window.addEventListener('beforeunload', ask);
  else window.removeEventListener('beforeunload', ask);
}

const ask = (event) => event.preventDefault();

/** Why the connection is as it is. */
function noteOn(state, server) {
  if (state === 'closed') return 'edits are in this tab alone, gone if it is closed';
  if (!server) return 'the server does not answer';
  return server.offline ? 'the server refuses sockets' : '';
}

/** Where documents and pending ops are kept, and a note on it. */
function keptOf(storage) {
  if (!storage || storage.mode === 'none') return ['–', ''];
  if (storage.code) return [STORE_NAMES[storage.mode], storage.reason];
  if (storage.durable) return [STORE_NAMES[storage.mode], 'also when all tabs are closed'];
  return ['While a tab is open', storage.mode === 'indexeddb' ? 'then it is deleted' : ''];
}
