/** The buttons that make trouble: each takes something away, and the tabs go on. */
import { openly } from './about.js';
import { together } from './checks.js';
import { tabs } from './coordinator.js';
import { log } from './log.js';
import { WORKER } from './worker-name.js';
import { BEGUN, END, workerChannel } from '../worker-channel.js';

const BLOCKED_MS = 5_000;
const HELD_MS = 10_000;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const workers = workerChannel(WORKER);

/** By the ids of their buttons. */
export const TROUBLES = {
  /** Wherever the host is, it is gone: the next one goes on from what was written down. */
  kill() {
    workers.postMessage(END);
    log('this tab', 'killed the worker');
  },

  /** Without a word to the others: they notice that it is gone. */
  close() {
    window.close();
    // A page that has come from another one may not close itself. It can go away.
    location.replace('about:blank');
  },

  /** A blocked page cannot say that it does not lead any more, so it leads on. */
  block() {
    const end = performance.now() + BLOCKED_MS;
    while (performance.now() < end);
    log('this tab', `was blocked for ${BLOCKED_MS / 1000} s`);
  },

  resign() {
    tabs.resign();
  },

  async hold() {
    const take = (fn) => tabs.lock('paper', { expires: 3 * HELD_MS }, fn);
    await openly('paper', take, ({ token }) => {
      log('this tab', `holds paper with the token ${token}`);
      return pause(HELD_MS);
    });
    log('this tab', 'gave paper back');
  },

  /** This tab holds `left` and wants `right`, another one holds `right` and wants `left`. */
  async cross() {
    const other = tabs.tabs.find(({ id, frozen }) => id !== tabs.tabId && !frozen);
    if (!other) return log('this tab', 'a deadlock needs another tab');
    await both('left', 'right', () => tabs.delegate('cross', null, { to: other.id }));
  },

  async refresh() {
    const answers = await together('refresh');
    const requests = answers.reduce((sum, answer) => sum + answer.requests, 0);
    log('all tabs', `${answers.length} asked for a token: ${requests} request`);
  },

  /** The server ends the one connection that all tabs have. It is made again by another token. */
  async cut() {
    await fetch('/admin/hub-close', { method: 'POST' });
  },

  /** All tabs ask, one of them shows the dialog, and all get the answer. */
  async ask() {
    const key = `terms ${crypto.randomUUID()}`;
    const ids = [...tabs.connectedTabs];
    await Promise.all(ids.map((to) => tabs.delegate('show terms', { key }, { to })));
  },
};

/** What other tabs may have this one do. */
export function takeTrouble() {
  workers.addEventListener('message', ({ data }) => data === BEGUN && log('a worker', 'began'));
  // It answers when it holds its first lock: from then on the two tabs stand in each other's way.
  tabs.handle(
    'cross',
    () => new Promise((holds, fails) => both('right', 'left', holds).catch(fails)),
  );
  tabs.handle('show terms', ({ key }) => {
    const answered = tabs.showOnce(key, ({ signal }) => askUser(signal));
    answered.then(
      (answer) => log('the question', `was answered: ${answer}`),
      (error) => log('the question', error.message),
    );
  });
}

/** Takes a lock, and another one within it. */
async function both(first, second, whenHeld) {
  await openly(
    first,
    (fn) => tabs.lock(first, fn),
    async (held) => {
      await whenHeld();
      try {
        await openly(
          second,
          (fn) => held.lock(second, fn),
          () => log('this tab', `holds ${first} and ${second}`),
        );
      } catch (error) {
        // Whoever closed the circle is told. It gives back what it holds, and the other one goes on.
        if (error.code !== 'ERR_DEADLOCK') throw error;
        log('this tab', `gave ${first} back: ${error.code}`);
      }
    },
  );
}

/** Shows the dialog. @param {AbortSignal} signal another tab shows it instead */
function askUser(signal) {
  const dialog = document.querySelector('#terms');
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve, reject) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue || 'no'), { once: true });
    signal.addEventListener('abort', () => {
      reject(signal.reason);
      dialog.close();
    });
  });
}
