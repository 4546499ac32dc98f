/** One refresh of the user's session for all tabs: tried again, and not for ever. */

import { isPositiveCount, optionError, refuseUnknown } from '../options/options.js';
import { shared } from '../platform/shared.js';
import { delay, timers } from '../platform/ticks.js';

/** Milliseconds after which a refresh is taken for hanging, if nothing else is said. */
const DEADLINE = 30_000;
/** The pause after a refresh that failed, in milliseconds: the first one and the longest. */
const [FIRST_PAUSE, LONGEST_PAUSE] = [200, 10_000];

/**
 * Runs a function until it succeeds, with growing pauses.
 *
 * @param {(signal: AbortSignal) => any} fn
 * @param {{attempts: number, deadline: number, signal: AbortSignal}} how
 */
export async function persevere(fn, { attempts, deadline, signal }) {
  const late = new AbortController();
  const stop = () => late.abort(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  const message = `The refresh did not end within ${deadline} ms`;
  const timer = timers.start(
    () => late.abort(new shared.Error('ERR_REFRESH_TIMEOUT', message)),
    deadline,
  );
  /** @type {Promise<never>} */
  const ended = new Promise((_, reject) => {
    late.signal.addEventListener('abort', () => reject(late.signal.reason), { once: true });
  });
  ended.catch(() => {});
  try {
    for (let left = attempts, pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      try {
        return await Promise.race([ended, (async () => fn(late.signal))()]);
      } catch (error) {
        left -= 1;
        if (left <= 0 || late.signal.aborted) throw error;
      }
      const wait = pause * (0.5 + Math.random());
      await Promise.race([ended, delay(wait)]);
    }
  } finally {
    timers.stop(timer);
    signal.removeEventListener('abort', stop);
  }
}

/** @param {any} options of `refresh` */
export function refreshOptions(options = {}) {
  refuseUnknown('refresh', options, ['attempts', 'deadline']);
  const { attempts = 3, deadline = DEADLINE } = options;
  if (!isPositiveCount(attempts) || !isPositiveCount(deadline))
    throw optionError(
      'ERR_OPTION_INVALID',
      'attempts and deadline of refresh are whole numbers, 1 or more',
    );
  return { attempts, deadline };
}
