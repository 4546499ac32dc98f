/**
 * Runs what others built on ShareDB's client: the published tests of two packages, unedited, and
 * three editors in a real browser.
 *
 *   node tests/bindings/run.mjs [--grep text] [--stock]
 *
 * `grep` chooses by a part of the name; `stock` runs everything with the stock client, which
 * checks the tests and not our client.
 */

import { parseArgs } from 'node:util';
import { runPages } from './pages.mjs';
import { MODES, SUITES, runSuite } from './suites.mjs';

const { values: options } = parseArgs({
  options: { grep: { type: 'string', default: '' }, stock: { type: 'boolean', default: false } },
});

const count = { passed: 0, failed: 0 };
await runSuites();
await runPages(options, note);
if (count.passed + count.failed === 0) {
  console.error(`nothing matches ${options.grep}`);
  count.failed = 1;
}
console.log(`${count.passed} passed, ${count.failed} failed`);
process.exit(count.failed === 0 ? 0 : 1);

async function runSuites() {
  for (const { name } of SUITES.filter((suite) => suite.name.includes(options.grep))) {
    for (const mode of options.stock ? ['stock'] : MODES) {
      const { passed, failures } = await runSuite(name, mode);
      count.passed += passed.length;
      console.log(`${mode} ${name}: ${passed.length}/${passed.length + failures.length}`);
      for (const [test, error] of failures) note(`${mode} ${name}: ${test}`, error);
    }
  }
}

/**
 * @param {string} name
 * @param {any} [error]
 */
function note(name, error) {
  if (error === undefined) {
    count.passed += 1;
    console.log(`ok ${name}`);
  } else {
    count.failed += 1;
    console.log(`FAILED ${name}\n${String(error?.stack ?? error).replace(/^/gm, '    ')}`);
  }
}
