/** The tabs as the host told them last. */

/** @typedef {import('../coordinator.d.ts').TabInfo} TabInfo */

export class TabList {
  /**
   * @param {(event: string, tab: any) => void} emit
   * @param {(type: 'connect' | 'disconnect', tabId: string, payload: any) => void} synthesise the contract has messages
   *   for what the host says itself
   */
  constructor(emit, synthesise) {
    this._emit = emit;
    this._synthesise = synthesise;
    /** @type {Map<string, TabInfo>} */
    this._tabs = new Map();
    /** The tab that had the focus last. @type {string | undefined} */
    this.active = undefined;
  }

  get all() {
    return [...this._tabs.values()];
  }

  /** The ids of the tabs that are there: a frozen one is not. */
  get connected() {
    return new Set(this.all.filter(({ frozen }) => !frozen).map(({ id }) => id));
  }

  /**
   * All tabs, as a host tells them that has taken this one: also what changed while this tab had no host, or was away.
   *
   * @param {any[]} tabs
   */
  welcome(tabs) {
    const before = this.connected;
    this._tabs = new Map(tabs.map((tab) => [tab.id, infoOf(tab)]));
    this.active ??= tabs.find((tab) => tab.report.focused)?.id;
    for (const [id, info] of this._tabs)
      if (!info.frozen && !before.has(id) && before.size) this._emit('join', info);
    const now = this.connected;
    for (const id of before) if (!now.has(id)) this._emit('leave', { id, crashed: true });
  }

  /**
   * @param {string} event
   * @param {any} tab
   */
  change(event, tab) {
    const info = infoOf(tab);
    if (event === 'focused') this.active = tab.id;
    if (event === 'leave' || event === 'crash') {
      const crashed = event === 'crash';
      this._tabs.delete(tab.id);
      if (this.active === tab.id) this.active = undefined;
      this._emit('leave', { ...info, crashed });
      return this._synthesise('disconnect', tab.id, { crashed });
    }
    this._tabs.set(tab.id, info);
    this._emit(event, info);
    if (event === 'join') this._synthesise('connect', tab.id, info);
  }

  clear() {
    this._tabs.clear();
  }
}

/**
 * @param {any} tab as the host tells it
 * @returns {TabInfo}
 */
function infoOf({ id, report, score, frozen = false }) {
  const { visible = false, focused = false, observer = false, offline = false } = report;
  return { id, score, visible, focused, observer, offline, frozen };
}
