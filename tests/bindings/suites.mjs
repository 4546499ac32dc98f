/**
 * The packages whose own published tests are run, unedited, and how their authors run them.
 */

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Milliseconds after which a suite that did not end is ended: the longest takes one second. */
const LIMIT = 30_000;

const SUITE = fileURLToPath(new URL('./suite.mjs', import.meta.url));

/** How tab and host are connected, as in the conformance tests. */
export const MODES = ['in-page', 'hop'];

/** `timeout` is the one in the package's mocha options, in milliseconds. */
export const SUITES = [
  { name: 'sharedb-string-binding', files: ['test/index.js'], timeout: 1200 },
  { name: 'sharedb-promises', files: ['test/connection.js', 'test/doc.js'], timeout: 2000 },
];

/**
 * Runs one suite in a process of its own. A test that did not report, and a suite that never
 * touched our client, count as failed.
 *
 * @param {string} name
 * @param {string} mode
 * @returns {Promise<{passed: string[], failures: [name: string, error: string][]}>}
 */
export function runSuite(name, mode) {
  const passed = new Set();
  const failures = new Map();
  let planned = [];
  let counts;
  const note = (message) => {
    if (message.kind === 'plan') planned = message.names;
    else if (message.kind === 'pass') passed.add(message.name);
    else if (message.kind === 'fail') failures.set(message.name, message.error);
    else counts = message.counts;
  };
  return new Promise((resolve) => {
    const child = fork(SUITE, [name, mode], { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
    const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT);
    let lastWords = '';
    child.stderr.on('data', (chunk) => (lastWords = (lastWords + chunk).slice(-2000)));
    child.on('message', note);
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      const ending = `ended with ${signal ?? `code ${code}`}\n${lastWords}`;
      for (const test of planned) {
        if (!passed.has(test) && !failures.has(test)) failures.set(test, 'did not run');
      }
      const doubt = counts ? whyItProvesNothing(mode, planned, counts) : ending;
      if (doubt) failures.set('the suite', doubt);
      for (const test of failures.keys()) passed.delete(test);
      resolve({ passed: [...passed], failures: [...failures] });
    });
  });
}

/** Tests that pass without our client, or without the hop, say nothing about it. */
function whyItProvesNothing(mode, planned, { ours, messages }) {
  if (planned.length === 0) return 'the package has no tests';
  if (mode !== 'stock' && ours === 0) return 'no connection was ours';
  if (mode === 'hop' && messages === 0) return 'nothing crossed a MessagePort';
  return undefined;
}
