/**
 * The tests of the cluster: the adapters' traps, the blocks of docs/cluster.md, the demos, and faults under load.
 *
 *   node tests/cluster/run.mjs [--rounds N] [--seed S] [--small] [--if-installed] [--only TEXT] [--shots FOLDER] [--log]
 *
 * `--small` runs a round of each fault, and no browser, `--only` the tests whose names contain TEXT. A round that fails says its number and its seed;
 * `--rounds 1 --seed S --first NUMBER` runs it again, as far as processes let themselves be repeated.
 */

import { parseArgs } from 'node:util';
import { Cluster } from '../../examples/cluster/cluster.mjs';
import { findPrograms } from '../../examples/cluster/programs.mjs';
import { fileURLToPath } from 'node:url';
import { Sum, faults, runRound } from './faults.mjs';
import { demoOnTwoServers } from './demo.mjs';
import { guides } from './guide.mjs';
import { TRAPS, runTrap } from './traps.mjs';

const APP = fileURLToPath(new URL('app.mjs', import.meta.url));
const ROUNDS = 100;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: String(ROUNDS) },
    first: { type: 'string', default: '0' },
    seed: { type: 'string' },
    small: { type: 'boolean' },
    'if-installed': { type: 'boolean' },
    only: { type: 'string', default: '' },
    shots: { type: 'string' },
    log: { type: 'boolean' },
  },
});

let passed = 0;
let failed = 0;

async function test(name, run) {
  try {
    await run();
    passed += 1;
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}\n  ${(error.stack ?? String(error)).replaceAll('\n', '\n  ')}`);
  }
}

/** Whether the programs are here, where the tests are to run only then. */
function isInstalled() {
  try {
    findPrograms({ mayInstall: !options['if-installed'] });
    return true;
  } catch (error) {
    if (!options['if-installed']) throw error;
    console.log(`skipped: ${error.message}`);
    return false;
  }
}

async function runAll() {
  const log = options.log ? console.log : undefined;
  // Old workers of nginx drop their sockets at once, and servers send their clients away quickly.
  const env = { SPREAD_MS: '300' };
  const cluster = await Cluster.start({ app: APP, shutdownSeconds: 1, env, log });
  try {
    for (const [name, trap] of Object.entries(TRAPS)) {
      if (name.includes(options.only)) await test(name, () => runTrap(cluster, trap));
    }
    for (const [name, guide] of guides) {
      if (name.includes(options.only)) await test(name, () => guide(cluster));
    }
    await runRounds(cluster);
  } finally {
    await cluster.stop();
  }
}

async function runRounds(cluster) {
  const rounds = options.small ? faults.length : Number(options.rounds);
  const first = Number(options.first);
  const seed = Number(options.seed ?? Date.now() % 1_000_000);
  const sum = new Sum();
  if (!'faults'.includes(options.only)) return;
  console.log(`faults: ${rounds} rounds from seed ${seed}`);
  for (let number = first; number < first + rounds; number += 1) {
    const name = `round ${number}, ${faults[number % faults.length]}`;
    await test(name, () => runRound(cluster, { number, seed: seed + number, sum }));
  }
  console.log(`faults: ${sum}`);
}

if (isInstalled()) {
  const name = 'the demos on two servers, one of which is killed';
  if (!options.small && name.includes(options.only)) {
    await test(name, () => demoOnTwoServers(options.shots));
  }
  await runAll();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
