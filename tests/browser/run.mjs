/**
 * The end-to-end tests: the demos, built as an application builds them, in a real browser against a real ShareDB server.
 *
 *   node tests/browser/run.mjs [--engine chromium|firefox|webkit] [--host shared-worker|elected-tab|in-page]
 *     [--grep text] [--repeat N] [--lanes N] [--seed S] [--rounds N]
 *
 * `--host` says where the host is to be: in a SharedWorker, in a dedicated worker of a tab, or in the page of a tab.
 *
 * Prints a line for each test, and ends with `N passed, N failed`. A test that an engine cannot run, or that means nothing for a
 * kind of host, names that in its `skip` with the reason, and is listed with it. Each test has a server and a browser with a fresh
 * profile of its own, and a time limit. There are no retries. `--lanes` says how many tests run at once. `--seed` and `--rounds` are for the tests with rounds, which
 * print their seed.
 */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { chaosTests } from './chaos.mjs';
import { coordinatorTests } from './coordinator.mjs';
import { demoTests } from './demos.mjs';
import { devicesTests } from './devices.mjs';
import { devtoolsTests } from './devtools.mjs';
import { depthTests } from './depth.mjs';
import { durableTests } from './durable.mjs';
import { failingTests } from './failing.mjs';
import { firstLookTests } from './first-look.mjs';
import { faultTests } from './faults.mjs';
import { dyingTests } from './dying.mjs';
import { ENGINES, missing } from './engines/engines.mjs';
import { Wire } from './engines/wire.mjs';
import { guideTests } from './guides.mjs';
import { hangingTests } from './hanging.mjs';
import { hostTests } from './hosts.mjs';
import { buildLab } from './lab.mjs';
import { keptTests } from './kept.mjs';
import { lastEditTests } from './last-edit.mjs';
import { laterProtocolTests } from './later-protocol.mjs';
import { lifeTests } from './life.mjs';
import { moduleTests } from './modules.mjs';
import { oneHostTests } from './one-host.mjs';
import { raceTests } from './race.mjs';
import { richTests } from './rich.mjs';
import { sessionTests } from './session.mjs';
import { shownFirstTests } from './shown-first.mjs';
import { signalrTests } from './signalr.mjs';
import { Stage } from './stage.mjs';
import { storageTests } from './storage.mjs';
import { subtypeTests } from './subtypes.mjs';
import { tabLifeTests } from './tab-lives.mjs';
import { textTests } from './text.mjs';
import { tillTests } from './till.mjs';
import { trapTests } from './traps.mjs';
import { urlTests } from './urls.mjs';
import { watchingTests } from './watching.mjs';

/** The limit for one test that names none of its own, browser start included, in milliseconds. */
const LIMIT_MS = 45_000;

/** How much of what was said a failure shows, in lines. */
const LAST_WORDS = 20;

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const TESTS = [
  ...textTests,
  ...demoTests,
  ...richTests,
  ...tillTests,
  ...raceTests,
  ...lifeTests,
  ...tabLifeTests,
  ...lastEditTests,
  ...keptTests,
  ...faultTests,
  ...hostTests,
  ...oneHostTests,
  ...firstLookTests,
  ...dyingTests,
  ...laterProtocolTests,
  ...moduleTests,
  ...storageTests,
  ...subtypeTests,
  ...depthTests,
  ...durableTests,
  ...failingTests,
  ...hangingTests,
  ...trapTests,
  ...urlTests,
  ...watchingTests,
  ...devtoolsTests,
  ...coordinatorTests,
  ...devicesTests,
  ...signalrTests,
  ...sessionTests,
  ...guideTests,
  ...chaosTests,
  ...shownFirstTests,
];

const HOSTS = ['shared-worker', 'elected-tab', 'in-page'];

const { values: options } = parseArgs({
  options: {
    engine: { type: 'string', default: 'chromium' },
    host: { type: 'string', default: 'shared-worker' },
    grep: { type: 'string', default: '' },
    repeat: { type: 'string', default: '1' },
    lanes: { type: 'string', default: '1' },
    seed: { type: 'string' },
    rounds: { type: 'string' },
  },
});

/**
 * Builds the demos into a directory of their own: always what the sources are now, and never under the feet of a
 * server that serves the usual one.
 */
async function buildPages() {
  const pages = await mkdtemp(join(tmpdir(), 'sharedb-proxy-pages-'));
  const vite = join(ROOT, 'node_modules/vite/bin/vite.js');
  const build = ['build', '--outDir', pages, '--emptyOutDir', '--logLevel', 'error'];
  await promisify(execFile)(process.execPath, [vite, ...build], { cwd: join(ROOT, 'examples') });
  await buildLab(pages);
  return pages;
}

/** What the tests of a lane have in common, one after the other: the wire, and pages that are connected to it. */
class Lane {
  static async open(built) {
    const lane = new Lane();
    lane.wire = await Wire.open();
    lane.pages = await mkdtemp(join(tmpdir(), 'sharedb-proxy-pages-'));
    await cp(built, lane.pages, { recursive: true });
    await lane.wire.instrument(lane.pages);
    return lane;
  }

  async close() {
    await this.wire.close();
    await rm(this.pages, { recursive: true, force: true });
  }
}

/** Rejects after the limit; the rest of the test ends with its browser. */
function limited(work, ms) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done in ${ms / 1000} s`)), ms);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}

async function runOne(test, { pages, wire }) {
  const stage = await Stage.open(pages, ENGINES[options.engine], wire, options.host);
  try {
    await limited(test.run(stage, options), test.limitMs ?? LIMIT_MS);
    if (stage.problems.length > 0) throw new Error('something broke on the way');
  } catch (error) {
    const notes = [...stage.problems, ...stage.said.slice(-LAST_WORDS)].join('\n');
    throw notes ? new Error(`${error.stack}\n${notes}`, { cause: error }) : error;
  } finally {
    await stage.close();
  }
}

/** Runs what is left of `tests`, one after the other, and counts in `count`. */
async function runIn(lane, tests, count) {
  for (let test = tests.shift(); test; test = tests.shift()) {
    const start = Date.now();
    let failure;
    try {
      await runOne(test, lane);
      count.passed += 1;
    } catch (error) {
      failure = error;
      count.failed += 1;
    }
    console.log(`${failure ? 'FAILED' : 'ok'} ${test.name} (${Date.now() - start} ms)`);
    if (failure) console.log(String(failure.stack ?? failure).replace(/^/gm, '    '));
  }
}

async function runAll(lanes) {
  const count = { passed: 0, failed: 0 };
  const found = TESTS.filter(({ name }) => name.includes(options.grep));
  const reasonOf = ({ skip = {} }) => skip[options.engine] ?? skip[options.host];
  const chosen = found.filter((test) => !reasonOf(test));
  const tests = Array(Number(options.repeat)).fill(chosen).flat();
  await Promise.all(lanes.map((lane) => runIn(lane, tests, count)));
  for (const test of found)
    if (reasonOf(test)) console.log(`skipped ${test.name}: ${reasonOf(test)}`);
  return count;
}

async function main() {
  const hosts = HOSTS.join(', ');
  const isKnown = HOSTS.includes(options.host);
  const lack = isKnown ? missing(options.engine) : `there are hosts of the kinds ${hosts} only`;
  if (lack) {
    console.log(`FAILED ${lack}`);
    return { passed: 0, failed: 1 };
  }
  const built = await buildPages();
  const count = Number(options.lanes);
  const lanes = await Promise.all(Array.from({ length: count }, () => Lane.open(built)));
  await rm(built, { recursive: true, force: true });
  try {
    return await runAll(lanes);
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
  }
}

const count = await main();
console.log(`${count.passed} passed, ${count.failed} failed`);
process.exit(count.failed === 0 ? 0 : 1);
