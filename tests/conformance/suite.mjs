/**
 * Runs one of ShareDB's test files in this process and reports every step to the parent.
 *
 * One process per file, because an uncaught error in a root hook ends mocha early. The tests are
 * matched to the plan by full title, and by order where a title occurs twice; what does not
 * apply is taken out of the suite before it starts, so that it cannot disturb its neighbours.
 *
 * Arguments: mode, file, and optionally a pattern that a title must match.
 */

import { createRequire } from 'node:module';
import path from 'node:path';
import Mocha from 'mocha';
import { isPerDatabase, plan } from './plan.mjs';
import substitute from './substitute.cjs';

const require = createRequire(import.meta.url);
const [mode, file, pattern] = process.argv.slice(2);
const test = (name) => path.join(substitute.sharedb, 'test', name);

await substituteClient();
const { mocha, entries } = load();
const runner = mocha.run(() => {
  if (mode !== 'stock') substitute.assertStockAbsent();
  // A client may leave ports and timers open; the result is known, so leave.
  process.send({ kind: 'end', counts: substitute.counts }, () => process.exit(0));
});
observe(runner);

async function substituteClient() {
  if (mode === 'stock') return substitute.observeStock();
  if (mode === 'in-page') return substitute.install(require('sharedb-proxy'));
  substitute.observePorts(mode);
  const client = await import('sharedb-proxy');
  const { channelPorts, createHopConnectionClass } = await import('../js/one-thread.mjs');
  const makePorts = mode === 'channel' ? channelPorts : undefined;
  substitute.install({ ...client, Connection: createHopConnectionClass(makePorts) });
}

/** Builds the suite as ShareDB's own mocha configuration and test/db.js would. */
function load() {
  const mocha = new Mocha({ checkLeaks: true, reporter: class {} });
  const expected = plan(file, mode);
  mocha.suite.emit('pre-require', globalThis, null, mocha);
  require(test('setup.js'));
  if (isPerDatabase(file)) perDatabase();
  else require(test(`client/${file}.js`));

  const entries = new Map();
  mocha.suite.eachTest((found) => {
    const entry = expected.find(({ title, seen }) => !seen && title === found.fullTitle());
    if (!entry) return report({ kind: 'unknown', title: found.fullTitle() });
    entry.seen = true;
    entries.set(found, entry);
  });
  const wanted = (found) => {
    const entry = entries.get(found);
    return entry && !entry.skip && (!pattern || new RegExp(pattern).test(entry.title));
  };
  eachSuite(mocha.suite, (suite) => {
    suite.tests = suite.tests.filter(wanted);
  });
  return { mocha, entries };
}

/** The hooks of test/db.js and the memory database of test/db-memory.js around one file. */
function perDatabase() {
  const Backend = require('sharedb/lib/backend');
  const MemoryDB = require(test('BasicQueryableMemoryDB.js'));
  beforeEach(function () {
    this.db = new MemoryDB();
    this.backend = new Backend({ db: this.db });
  });
  afterEach(function (done) {
    this.backend.close(done);
  });
  require(test(`client/${file}.js`))({
    getQuery: ({ query, sort }) => ({ filter: query, sort }),
  });
}

function observe(running) {
  running.on('test', (found) => report({ kind: 'start', index: entries.get(found).index }));
  running.on('pass', (found) => report({ kind: 'pass', index: entries.get(found).index }));
  running.on('fail', (found, error) => {
    const inTest = entries.get(found);
    // A failing hook is the failure of the test it served.
    const entry = inTest ?? entries.get(found.ctx?.currentTest);
    const where = inTest ? '' : `in ${found.title}: `;
    report({ kind: 'fail', index: entry?.index, error: where + describeError(error) });
  });
}

function describeError(error) {
  const text = String(error?.stack ?? error);
  return text.split('\n').slice(0, 10).join('\n');
}

function eachSuite(suite, visit) {
  visit(suite);
  for (const child of suite.suites) eachSuite(child, visit);
}

function report(message) {
  process.send({ ...message, counts: substitute.counts });
}
