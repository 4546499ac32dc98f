/**
 * To load all pages anew is the leader's decision: a tab asks, and all tabs are told in one event. No page reloads by itself.
 */

/** What the leader is asked, as an application may handle it. */
const REQUEST = 'reload-request';
/** What tells all tabs. It is no message of an application. */
const TYPE = 'reload';

/** @param {any} broadcast */
export const isReload = ({ message }) => message?.type === TYPE;

export class Reload {
  /**
   * @param {import('./coordination.js').Coordination} coordination
   * @param {import('./tasks.js').Tasks} tasks
   * @param {(reload: {payload: any, tabId: string}) => void} emit
   */
  constructor(coordination, tasks, emit) {
    this._coordination = coordination;
    this._tasks = tasks;
    this._emit = emit;
    tasks.serve(REQUEST, (payload, from, decide) => this._decide(payload, from, decide));
  }

  /** @param {any} payload */
  ask(payload) {
    return this._tasks.delegate(REQUEST, payload, undefined);
  }

  /**
   * In the leader: the application's function decides, if there is one.
   *
   * @param {any} payload
   * @param {string} from
   * @param {((payload: any, from: string) => any) | undefined} decide
   */
  async _decide(payload, from, decide) {
    if (decide && !(await decide(payload, from))) return false;
    const message = { type: TYPE, payload, tabId: from };
    await this._coordination.ask('send', { urgent: false, message });
    this._emit({ payload, tabId: from });
    return true;
  }

  /** @param {any} broadcast */
  take({ message: { payload, tabId } }) {
    this._emit({ payload, tabId });
  }
}
