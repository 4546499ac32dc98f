/**
 * Whether the page is about to be frozen, or to be kept for the user's return (the back/forward cache), and when it is
 * back. What is frozen keeps its locks and takes no message: it has to leave its host before.
 *
 * A page that is kept hears `pagehide`, and where it was visible `visibilitychange` after that. In Chromium the page leaves in
 * the second one, so that what the application submits in its own listeners of `pagehide` still reaches the host: `freeze`
 * would be too late, since a page with an open socket is not kept. Of other engines it is not known that they keep to this
 * order.
 */

const HIDDEN = 'hidden';

export class PageAbsence {
  /**
   * @param {() => void} leave called when nothing may reach the page any more
   * @param {() => void} comeBack called when it goes on, perhaps without having left
   */
  constructor(leave, comeBack) {
    this._leave = leave;
    this._comeBack = comeBack;
    /** Whether the page is hidden in order to be kept. */
    this._isKept = false;
  }

  watch() {
    this._listen('addEventListener');
  }

  stop() {
    this._listen('removeEventListener');
  }

  /** @param {'addEventListener' | 'removeEventListener'} how */
  _listen(how) {
    const { document } = /** @type {any} */ (globalThis);
    globalThis[how]?.('pagehide', this._onHide);
    globalThis[how]?.('pageshow', this._onReturn);
    // It bubbles: the document's listeners come before this one.
    globalThis[how]?.('visibilitychange', this._onVisibility);
    document?.[how]?.('freeze', this._leave);
    document?.[how]?.('resume', this._onReturn);
  }

  _onHide = (/** @type {any} */ { persisted }) => {
    const { document } = /** @type {any} */ (globalThis);
    this._isKept = persisted;
    const isLater = 'onfreeze' in document && document.visibilityState !== HIDDEN;
    if (persisted && !isLater) this._leave();
  };

  _onVisibility = () => {
    const { document } = /** @type {any} */ (globalThis);
    if (this._isKept && document.visibilityState === HIDDEN) this._leave();
  };

  _onReturn = () => {
    this._isKept = false;
    this._comeBack();
  };
}
