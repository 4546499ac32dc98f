/**
 * `import 'sharedb-proxy/devtools'` adds a debug console to the page: for development, and for looking at what went wrong. Where
 * it is not imported nothing of it is downloaded, and nothing is measured or kept for it.
 */

import { Panel } from './devtools/panel.js';

/**
 * @typedef {object} DevtoolsOptions
 * @property {HTMLElement} [into] what the panel fills; else it floats over the page, closed at first
 * @property {import('./index.d.cts').Connection} [connection] the only one to show; else all of this page
 * @property {boolean} [open]
 */

/**
 * Shows a panel.
 *
 * @param {DevtoolsOptions} [options]
 * @returns {() => void} takes it away
 */
export function showDevtools({ into, connection, open = Boolean(into) } = {}) {
  takeAway?.();
  const host = document.createElement('sharedb-proxy-devtools');
  if (!into) host.toggleAttribute('floating');
  (into ?? document.body).append(host);
  const panel = new Panel(host, { isOpen: open, connection: /** @type {any} */ (connection) });
  return () => {
    panel.end();
    host.remove();
  };
}

/** Takes away the panel that was added unasked: the application shows one itself. @type {(() => void) | undefined} */
let takeAway;

function addToPage() {
  if (!document.querySelector('sharedb-proxy-devtools')) takeAway = showDevtools();
}

if (typeof document !== 'undefined') {
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', addToPage);
  // In the next turn: the module that imports this one may show it somewhere of its own.
  else setTimeout(addToPage);
}
