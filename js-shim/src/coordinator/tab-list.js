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
    const before = this._tabs;
    this._tabs = new Map(tabs.map((tab) => [tab.id, infoOf(tab)]));
    this.active ??= tabs.find((tab) => tab.report.focused)?.id;
    // This tab itself is one of them, so at the first time there are none before.
    if (!before.size) return;
    for (const [id, info] of this._tabs) {
      const known = before.get(id);
      if (!known) this._join(info);
      if (info.frozen !== Boolean(known?.frozen))
        this._emit(info.frozen ? 'frozen' : 'resumed', info);
    }
    for (const [id, info] of before) {
      if (!this._tabs.has(id)) this._leave({ ...info, crashed: true });
    }
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
      return this._leave({ ...info, crashed });
    }
    this._tabs.set(tab.id, info);
    if (event === 'join') return this._join(info);
    this._emit(event, info);
  }

  /** @param {TabInfo} info */
  _join(info) {
    this._emit('join', info);
    this._synthesise('connect', info.id, info);
  }

  /** @param {TabInfo & {crashed: boolean}} info */
  _leave(info) {
    this._emit('leave', info);
    this._synthesise('disconnect', info.id, { crashed: info.crashed });
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
