/**
 * The live strip of a demo page: what host the tab uses, how many tabs share it, what the server counts, and the
 * switches that disturb the server. It only looks at the connection; it holds no state that matters.
 */

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
  indexeddb: 'IndexedDB',
  custom: 'custom',
  memory: 'memory',
  none: 'until all tabs close',
};

const MARKUP = `
  <dl>
    <div class="wide"><dt>Host</dt><dd data-cell="host">…</dd><dd class="note" data-cell="reason"></dd></div>
    <div><dt>Tabs on it</dt><dd data-cell="tabs">…</dd></div>
    <div><dt>Server sockets</dt><dd data-cell="sockets">…</dd></div>
    <div><dt>Pending ops</dt><dd data-cell="pending">…</dd><dd class="note" data-cell="waiting"></dd></div>
    <div><dt>Version</dt><dd data-cell="version">…</dd></div>
    <div><dt>Kept</dt><dd data-cell="store">…</dd><dd class="note" data-cell="letters"></dd></div>
    <div class="wide"><dt>Connection</dt><dd data-cell="state">…</dd><dd class="note" data-cell="server"></dd></div>
  </dl>
  <div class="actions">
    <a class="button primary" data-action="open" target="_blank" rel="noopener">Open another tab</a>
    <button type="button" data-action="offline">Go offline</button>
    <button type="button" data-action="blink">Offline for 10 s</button>
    <button type="button" data-action="restart">Restart server connection</button>
    <a class="button" data-action="keep"></a>
    <a class="button" data-action="debug" target="_blank" rel="noopener">Debug console</a>
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
  }

  listen() {
    const draw = () => this.drawSoon();
    this.connection.on('state', draw);
    for (const event of ['op batch', 'create', 'del', 'load', 'no write pending'])
      this.doc.on(event, draw);
    setInterval(() => document.hidden || this.poll(), POLL_MS);
    document.addEventListener('visibilitychange', () => document.hidden || this.poll());
    this.action('open').href = location.href;
    this.action('debug').href = `./devtools.html${location.search}`;
    this.offerStore();
    this.action('offline').addEventListener('click', () =>
      this.post(this.server?.offline ? 'restore' : 'cut'),
    );
    this.action('blink').addEventListener('click', () => this.post(`cut?ms=${SHORT_OUTAGE_MS}`));
    this.action('restart').addEventListener('click', () => this.post('restart'));
  }

  /** Another address for the same document, with the durable store or without. */
  offerStore() {
    const other = new URL(location.href);
    const isDurable = other.searchParams.get('store') === 'durable';
    if (isDurable) other.searchParams.delete('store');
    else other.searchParams.set('store', 'durable');
    this.action('keep').href = other.href;
    this.action('keep').textContent = isDurable
      ? 'Forget with the last tab'
      : 'Keep in the browser';
  }

  action(name) {
    return this.element.querySelector(`[data-action="${name}"]`);
  }

  poll() {
    this.ask(fetch('/admin/status'));
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
    this.fill('host', HOST_NAMES[host?.kind] ?? 'starting');
    this.fill('reason', host?.reason ?? '');
    this.fill('tabs', this.hostStatus?.tabs ?? '–');
    this.fill('sockets', this.server?.sockets ?? '–');
    this.fill('pending', pendingOps(this.doc));
    const waiting = this.hostStatus?.pendingOps ?? 0;
    this.fill('waiting', waiting > pendingOps(this.doc) ? `${waiting} in the host` : '');
    this.fill('version', this.doc.version ?? '–');
    this.fill('store', STORE_NAMES[storage?.mode] ?? '–');
    const refused = deadLetters.length;
    this.fill('letters', refused ? `${refused} refused ops` : (storage?.reason ?? ''));
    this.fill('state', state);
    this.fill(
      'server',
      this.server ? (offline ? 'the server refuses sockets' : '') : 'the server does not answer',
    );
    this.element.dataset.state = state;
    this.action('offline').textContent = offline ? 'Come back online' : 'Go offline';
    this.action('offline').classList.toggle('primary', offline);
    this.action('blink').disabled = offline;
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
