/**
 * What a page says of itself: whether it is seen and used, its battery and its network. The host makes the tab's score of
 * it.
 */

/**
 * @typedef {object} Report
 * @property {boolean} visible
 * @property {boolean} focused
 * @property {number} idle milliseconds since the user's last input
 * @property {number} [battery] percent, where it is not being charged
 * @property {boolean} offline
 * @property {number} weight
 * @property {boolean} observer
 * @property {boolean} refreshes
 */

/** Milliseconds between two inputs of which the second one is news. */
const IDLE = 60_000;

export class PageReport {
  /**
   * @param {{weight: number, observer: boolean, refreshes: boolean}} own what the application adds
   * @param {() => void} changed
   */
  constructor(own, changed) {
    this._own = own;
    this._changed = changed;
    this._lastInput = performance.now();
    /** @type {any} */
    this._battery = undefined;
    this._isOver = false;
  }

  /** @param {Partial<{weight: number, observer: boolean}>} own */
  set(own) {
    this._own = { ...this._own, ...own };
    this._changed();
  }

  watch() {
    this._listen('addEventListener');
    void this._watchBattery();
  }

  stop() {
    this._isOver = true;
    this._listen('removeEventListener');
    this._battery?.removeEventListener('levelchange', this._onChange);
    this._battery?.removeEventListener('chargingchange', this._onChange);
  }

  /** @param {'addEventListener' | 'removeEventListener'} how */
  _listen(how) {
    const { document } = /** @type {any} */ (globalThis);
    document?.[how]?.('visibilitychange', this._onChange);
    for (const event of ['focus', 'blur', 'online', 'offline'])
      globalThis[how]?.(event, this._onChange);
    for (const event of ['pointerdown', 'keydown', 'wheel'])
      globalThis[how]?.(event, this._onInput, { capture: true, passive: true });
  }

  async _watchBattery() {
    try {
      const battery = await /** @type {any} */ (globalThis.navigator)?.getBattery?.();
      if (!battery || this._isOver) return;
      this._battery = battery;
      battery.addEventListener('levelchange', this._onChange);
      battery.addEventListener('chargingchange', this._onChange);
      this._changed();
    } catch {
      // A browser need not say it.
    }
  }

  _onChange = () => this._changed();

  _onInput = () => {
    const last = this._lastInput;
    this._lastInput = performance.now();
    if (this._lastInput - last > IDLE) this._changed();
  };

  /** @returns {Report} */
  get current() {
    const { document, navigator } = /** @type {any} */ (globalThis);
    const { _battery: battery } = this;
    return {
      // Outside of a page there is nobody who could see it.
      visible: document ? document.visibilityState !== 'hidden' : true,
      focused: document?.hasFocus?.() ?? false,
      idle: Math.floor(performance.now() - this._lastInput),
      ...(battery && !battery.charging && { battery: Math.round(battery.level * 100) }),
      offline: navigator?.onLine === false,
      ...this._own,
    };
  }
}
