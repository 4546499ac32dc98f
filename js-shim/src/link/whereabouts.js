/** The value of `connection.host`: where the host lives, and why there. */

import { shared } from '../platform/shared.js';

/** @typedef {import('./link.d.ts').Link['host']} Host */

/**
 * @param {import('./link.d.ts').PlaceKind} place
 * @returns {Pick<Host, 'kind' | 'place'>}
 */
export const whereIs = (place) => ({
  kind: place === 'shared-worker' ? 'shared-worker' : 'elected-tab',
  place,
});

/**
 * Where one of the tabs is to have the host.
 *
 * @param {string} noWorker why no SharedWorker has it
 * @param {string | undefined} noDedicated why no dedicated worker of the tab has it
 * @returns {Host}
 */
export function electedTab(noWorker, noDedicated) {
  if (!noDedicated) return { ...whereIs('dedicated-worker'), reason: noWorker };
  return { ...whereIs('page'), reason: `${noWorker}; ${noDedicated}` };
}

/** The code of a host that is too new for this tab, which waits for another one. */
export const INCOMPATIBLE = 'ERR_HOST_INCOMPATIBLE';

/**
 * @param {string} what was called
 * @param {string} [instead] what to do
 */
export const notHere = (what, instead = '') => {
  const message = `${what} needs a connection whose host is in this page${instead}`;
  return new shared.Error('ERR_HOST_ELSEWHERE', message);
};
