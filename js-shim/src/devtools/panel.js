/**
 * The debug console: a panel in a shadow root that shows one connection at a time, and has the buttons for trouble. It asks the
 * host once a second while it is open, and nothing while it is closed.
 */

import { h } from './dom.js';
import { connectionsHere, lookAt } from './look.js';
import { STYLE } from './style.js';
import { Timeline } from './timeline.js';
import { VIEWS } from './views.js';

/** @typedef {import('../api/connection.js').Connection} Connection */

/** Milliseconds between two looks. */
const PERIOD = 1_000;

export class Panel {
  /**
   * @param {HTMLElement} host whose shadow root the panel is in
   * @param {object} options
   * @param {boolean} options.isOpen
   * @param {Connection} [options.connection] the only one to show
   */
  constructor(host, { isOpen, connection }) {
    this._root = host.attachShadow({ mode: 'open' });
    this._isFloating = host.hasAttribute('floating');
    this._only = connection;
    this._isOpen = isOpen;
    this._view = 'Overview';
    /** @type {Connection | undefined} */
    this._connection = undefined;
    /** @type {import('./look.js').Look | undefined} */
    this._look = undefined;
    this._timeline = new Timeline();
    this._redacts = false;
    /** @type {{text: string, isBad: boolean}} */
    this._notice = { text: '', isBad: false };
    this._isFrozen = false;
    /** The button that has to be pressed again. */
    this._asks = '';
    /** @type {any} */
    this._timer = undefined;
    this._isLooking = false;
    this._draw();
    this._begin();
  }

  /** @param {boolean} isOpen */
  show(isOpen) {
    this._isOpen = isOpen;
    clearInterval(this._timer);
    this._draw();
    this._begin();
  }

  /** The panel is not used any more. */
  end() {
    clearInterval(this._timer);
  }

  _begin() {
    // Closed, it says how many connections there are, and asks nobody.
    const look = () => (this._isOpen ? void this._refresh() : this._draw());
    look();
    this._timer = setInterval(() => document.hidden || look(), PERIOD);
  }

  // ---- What it shows ----

  /** @returns {Connection[]} */
  _connections() {
    return this._only ? [this._only] : connectionsHere();
  }

  async _refresh() {
    if (this._isLooking) return;
    this._isLooking = true;
    try {
      const all = this._connections();
      if (!this._connection || !all.includes(this._connection)) this._choose(all[0]);
      if (this._connection) await this._read(this._connection);
    } catch (error) {
      this._say(error, true);
    }
    this._isLooking = false;
    this._draw();
  }

  /** @param {Connection | undefined} connection */
  _choose(connection) {
    this._connection = connection;
    this._look = undefined;
    this._timeline = new Timeline();
  }

  /** @param {Connection} connection */
  async _read(connection) {
    const look = await lookAt(connection);
    if (connection !== this._connection) return;
    this._look = look;
    const { epoch } = look.status?.details ?? {};
    if (epoch === undefined) return;
    const timeline = this._timeline;
    const since = epoch === timeline.epoch ? timeline.next : 0;
    timeline.read(await connection._askDriver({ trace: { since } }));
  }

  /**
   * @param {any} what
   * @param {boolean} [isBad]
   */
  _say(what, isBad = false) {
    this._notice = { text: String(what?.message ?? what), isBad };
    this._draw();
  }

  _draw() {
    const root = this._root;
    const scrolled = root.querySelector('main')?.scrollTop ?? 0;
    const focused = /** @type {HTMLElement | null} */ (root.activeElement)?.dataset.key;
    const content = this._isOpen ? this._panel() : this._pill();
    const [, last] = root.children;
    if (last?.outerHTML === content.outerHTML) return;
    root.replaceChildren(h('style', STYLE), content);
    const main = root.querySelector('main');
    if (main) main.scrollTop = scrolled;
    if (focused) /** @type {any} */ (root.querySelector(`[data-key="${focused}"]`))?.focus();
  }

  _pill() {
    const count = this._connections().length;
    const title = 'Open the debug console of sharedb-proxy';
    return h('button.pill', { title, onclick: () => this.show(true) }, `sharedb-proxy · ${count}`);
  }

  _panel() {
    const { _connection: connection, _look: look, _notice: notice } = this;
    const { silence } = look ?? {};
    return h(
      'section.panel',
      { 'aria-label': 'Debug console of sharedb-proxy' },
      this._header(),
      connection && this._actions(connection),
      notice.text && h(notice.isBad ? 'p.notice.bad' : 'p.notice', { role: 'status' }, notice.text),
      silence && h('p.notice.bad', silence),
      h(
        'nav',
        { role: 'tablist' },
        Object.keys(VIEWS).map((name) => this._viewButton(name)),
      ),
      h('main', { role: 'tabpanel', tabindex: 0 }, this._content()),
    );
  }

  _content() {
    const { _connection: connection, _look: look } = this;
    if (!connection) return h('p.muted', 'This page has no connection yet.');
    if (!look) return h('p.muted', 'Asking the host …');
    return VIEWS[this._view]({ connection, look, rows: this._timeline.rows });
  }

  _header() {
    const all = this._connections();
    const choose = (/** @type {any} */ event) => {
      this._choose(all[event.target.selectedIndex]);
      void this._refresh();
    };
    const option = (/** @type {Connection} */ connection, /** @type {number} */ at) =>
      h(
        'option',
        { selected: connection === this._connection },
        `connection ${at + 1}, ${connection.state}`,
      );
    return h(
      'header',
      h('strong', 'sharedb-proxy'),
      all.length > 1
        ? h(
            'select',
            { onchange: choose, 'aria-label': 'Connection', 'data-key': 'connection' },
            all.map(option),
          )
        : h('span.muted', this._connection?.state ?? ''),
      h('span.grow'),
      this._isFloating &&
        h('button', { onclick: () => this.show(false), 'data-key': 'close' }, 'Close'),
    );
  }

  /** @param {string} name */
  _viewButton(name) {
    const onclick = () => {
      this._view = name;
      this._draw();
    };
    return h(
      'button',
      { role: 'tab', 'aria-selected': String(name === this._view), onclick, 'data-key': name },
      name,
    );
  }

  // ---- Trouble ----

  /** @param {Connection} connection */
  _actions(connection) {
    const redact = (/** @type {any} */ event) => (this._redacts = event.target.checked);
    const isLink = '_absence' in connection._link;
    return h(
      'div.actions',
      this._button('Cut the socket', () => connection._askDriver({ cut: true })),
      this._button('Kill the host', () => connection._askDriver({ kill: true }), true),
      isLink &&
        this._button(this._isFrozen ? 'Thaw this tab' : 'Freeze this tab', () => this._freeze()),
      this._button('Flush', () => this._flush(connection)),
      this._button('Wipe', () => called((end) => connection.wipe(end)), true),
      this._button('Export trace', () => this._export(connection)),
      h(
        'label',
        h('input', {
          type: 'checkbox',
          onchange: redact,
          checked: this._redacts,
          'data-key': 'redact',
        }),
        'redacted',
      ),
    );
  }

  /**
   * @param {string} name
   * @param {() => Promise<any>} act
   * @param {boolean} [isAsked] it has to be pressed twice
   */
  _button(name, act, isAsked = false) {
    const onclick = async () => {
      if (isAsked && this._asks !== name) {
        this._asks = name;
        return this._draw();
      }
      this._asks = '';
      try {
        this._say((await act()) ?? `${name}: done`);
      } catch (error) {
        this._say(error, true);
      }
      void this._refresh();
    };
    const isSure = this._asks === name;
    return h(
      isAsked ? 'button.danger' : 'button',
      { onclick, 'data-key': name },
      isSure ? `${name}: sure?` : name,
    );
  }

  /** The page's own listeners hear of it, as they do when a browser freezes a page. */
  async _freeze() {
    this._isFrozen = !this._isFrozen;
    document.dispatchEvent(new Event(this._isFrozen ? 'freeze' : 'resume'));
    return this._isFrozen
      ? 'This tab has left its host, as a frozen page does'
      : 'This tab is back';
  }

  /** @param {Connection} connection */
  async _flush(connection) {
    connection._flushAll();
    if (connection.durableStore) await called((end) => connection.flushWrites(end));
  }

  /** @param {Connection} connection */
  async _export(connection) {
    const trace = await connection.exportTrace({ redact: this._redacts });
    const url = URL.createObjectURL(new Blob([trace], { type: 'application/json' }));
    const link = /** @type {any} */ (h('a', { href: url, download: `trace-${Date.now()}.json` }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), PERIOD);
    return `The trace has ${trace.length} characters: cargo xtask replay FILE`;
  }
}

/**
 * @param {(end: (error?: any) => void) => void} call
 * @returns {Promise<void>}
 */
const called = (call) =>
  new Promise((resolve, reject) => call((error) => (error ? reject(error) : resolve())));
