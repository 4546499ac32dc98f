/**
 * What each tab tells the others about itself: its role, and the locks that it holds or waits for. The coordinator knows who
 * holds a lock (`whoHolds`); tokens and the queue are known to the tabs that ask.
 */
import { WorkerMessageType } from 'sharedb-proxy/coordinator';
import { tabs } from './coordinator.js';
import { report } from './log.js';

/** Of this tab, by the lock's name: `{token}`, without a token while it waits. */
const mine = {};
/** What the other tabs told, by their ids. */
const others = new Map();
let told;

/** Tells the others, if there is something new. */
export function tellAbout() {
  const about = JSON.stringify({ role: tabs.role, locks: mine });
  if (about === told) return;
  told = about;
  tabs.sendMessage(WorkerMessageType.STATE_UPDATE, JSON.parse(about)).catch(report);
}

/** Hears what the others tell. */
export function hearAbout() {
  tabs.on('state_update', ({ tabId, payload }) => others.set(tabId, payload));
  tabs.on('leave', ({ id }) => others.delete(id));
  tabs.on('leader', tellAbout);
  tabs.on('join', () => {
    told = undefined;
    tellAbout();
  });
}

export function roleOf(id) {
  return id === tabs.tabId ? tabs.role : (others.get(id)?.role ?? '…');
}

/** All locks that are held or waited for: `{name, holder, token, queue}`. */
export function locks() {
  const found = new Map();
  for (const [id, { locks }] of [[tabs.tabId, { locks: mine }], ...others]) {
    for (const [name, { token }] of Object.entries(locks)) {
      const lock = found.get(name) ?? { name, queue: [] };
      found.set(name, lock);
      if (token) Object.assign(lock, { holder: id, token });
      else lock.queue.push(id);
    }
  }
  return [...found.values()];
}

/**
 * Takes a lock as `take` does, and tells the other tabs how far that is.
 *
 * @param {string} name
 * @param {(fn: (held: object) => Promise<any>) => Promise<any>} take `tabs.lock` or `held.lock`
 * @param {(held: object) => Promise<any>} fn
 */
export async function openly(name, take, fn) {
  mine[name] = {};
  tellAbout();
  try {
    return await take((held) => {
      mine[name] = { token: held.token };
      tellAbout();
      return fn(held);
    });
  } finally {
    delete mine[name];
    tellAbout();
  }
}
