/**
 * Runs the published tests of one package in this process, our client in the place of ShareDB's,
 * and reports every test to the parent.
 *
 * Arguments: the package's name in suites.mjs, and the mode.
 */

import { createRequire } from 'node:module';
import Mocha from 'mocha';
import substitute from '../conformance/substitute.cjs';
import { SUITES } from './suites.mjs';

const require = createRequire(import.meta.url);
const [name, mode] = process.argv.slice(2);
const { files, timeout } = SUITES.find((suite) => suite.name === name);

await substituteClient();
const mocha = new Mocha({ checkLeaks: true, timeout, reporter: class {} });
for (const file of files) mocha.addFile(require.resolve(`${name}/${file}`));
mocha.loadFiles();
const names = [];
mocha.suite.eachTest((test) => names.push(test.fullTitle()));
report({ kind: 'plan', names });

const runner = mocha.run(() => {
  if (mode !== 'stock') substitute.assertStockAbsent();
  // A client may leave ports open; the result is known, so leave.
  process.send({ kind: 'end', counts: substitute.counts }, () => process.exit(0));
});
runner.on('pass', (test) => report({ kind: 'pass', name: test.fullTitle() }));
runner.on('fail', (test, error) => {
  report({ kind: 'fail', name: test.fullTitle(), error: String(error.stack ?? error) });
});

async function substituteClient() {
  if (mode === 'stock') return substitute.observeStock();
  if (mode === 'in-page') return substitute.install(require('sharedb-proxy'));
  substitute.observePorts();
  const client = await import('sharedb-proxy');
  const { createHopConnectionClass } = await import('../js/one-thread.mjs');
  substitute.install({ ...client, Connection: createHopConnectionClass() });
}

function report(message) {
  process.send(message);
}
