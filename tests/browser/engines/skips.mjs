/** Why tests cannot run in an engine, for the `skip` of their definitions. */

/** What only Chromium's own protocol does. */
export const chromiumOnly = (why) => ({ firefox: why, webkit: why });

const onWebKit = (webkit) => ({ webkit });

export const INPUT_METHOD = chromiumOnly('only CDP composes a word as an input method does');
export const QUOTA = chromiumOnly('only CDP says how much room an origin has');
export const CLEARED = chromiumOnly('only CDP clears the data of an origin that is open');
export const COLLECTED = chromiumOnly('only CDP has garbage collected');
export const ROUTED = chromiumOnly('only Playwright lets a request of a page fail');

export const KEPT_ON_DISK = onWebKit('the browser keeps nothing on disk when it is driven');
export const CRASHED = onWebKit(
  'the browser ends with the process of a page, and a tab that is closed lets its worker live',
);
export const KEY = onWebKit('the browser puts no CryptoKey into IndexedDB when it is driven');
export const INSECURE = onWebKit('the browser maps no name to this machine');
export const LAST_WRITE = onWebKit(
  'the engine drops every transaction of IndexedDB that begins while its page goes away',
);
export const LAST_WORD = {
  firefox:
    'the engine drops some messages and transactions of a page that is closed in that moment',
};
export const DIALOG = onWebKit('a dialog of one page holds up the driver for all');
