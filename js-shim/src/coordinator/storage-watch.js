/**
 * How full the browser's storage is, as far as the browser says it.
 */

import { every } from '../platform/waking.js';

/**
 * Says when the storage passes a threshold, in either direction.
 *
 * @param {{thresholds?: number[], interval?: number} | undefined} options parts of the quota, and milliseconds
 * @param {(storage: {usage: number, quota: number, ratio: number, isFuller: boolean}) => void} changed
 * @param {(error: any) => void} failed the browser does not say how full it is
 * @returns {() => void} ends it
 */
export function watchStorage(
  { thresholds = [0.8, 0.95], interval = 60_000 } = {},
  changed,
  failed,
) {
  let passed = 0;
  let isOver = false;
  const look = async () => {
    const { usage = 0, quota = 0 } = (await globalThis.navigator?.storage?.estimate?.()) ?? {};
    if (isOver) return;
    const ratio = quota && usage / quota;
    const now = thresholds.filter((threshold) => ratio >= threshold).length;
    if (now !== passed) changed({ usage, quota, ratio, isFuller: now > passed });
    passed = now;
  };
  const lookSafely = () => void look().catch(failed);
  lookSafely();
  const end = every(interval, lookSafely);
  return () => {
    isOver = true;
    end();
  };
}
