/**
 * What a debug console asks of a host: the trace of its machine, and faults to look at what follows. A tab asks by a message
 * like any other; the machine passes it on without reading it.
 */

/** @typedef {import('./host-driver.js').HostDriver} HostDriver */

/**
 * @param {HostDriver} driver
 * @param {string} request
 * @returns {{answer: string, then?: () => void}} the answer as JSON, and what to do when the tab has it
 */
export function answerDebug(driver, request) {
  const { trace, cut, kill } = JSON.parse(request) ?? {};
  if (trace) return { answer: traceOf(driver, trace) };
  if (cut) return { answer: DONE, then: () => driver.cutSocket() };
  if (kill) return { answer: DONE, then: () => driver.kill() };
  return { answer: failed('ERR_DEBUG_UNKNOWN', 'This host knows no such request') };
}

const DONE = '{}';

/**
 * @param {string} code
 * @param {string} message
 */
const failed = (code, message) => JSON.stringify({ failed: { code, message } });

/**
 * @param {HostDriver} driver
 * @param {{redact?: boolean, since?: number}} options
 */
function traceOf({ recorder }, options) {
  try {
    return recorder.export(options);
  } catch (/** @type {any} */ error) {
    return failed('ERR_TRACE_FAILED', `The trace cannot be written: ${error?.message ?? error}`);
  }
}
