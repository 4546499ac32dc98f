/**
 * Measures our client beside the stock client (npm `sharedb`): the same page, the same server, one run.
 *
 *   node tests/bench/run.mjs [--quick] [--only TEXT] [--cluster]
 *
 * `--quick` takes fewer rounds, `--only` the figures whose name contains TEXT, `--cluster` those of a cluster, which are left out
 * without it: they need PostgreSQL, Redis and nginx. Prints the table and writes
 * `target/bench.json`, a list of `{figure, ours, stock, ratio, goal, met}`; a run of some figures replaces
 * its own there and leaves the others. A figure that misses its goal is printed as missing it and is no failure of
 * the run. The machine may be busy, so both clients take turns and the middle of
 * the samples counts; only ratios mean anything.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Bench } from './bench.mjs';
import { printRow, printTable } from './table.mjs';
import * as bulk from './rows/bulk.mjs';
import * as cluster from './rows/cluster.mjs';
import * as cold from './rows/cold.mjs';
import * as coordination from './rows/coordination.mjs';
import * as engines from './rows/engines.mjs';
import * as hosts from './rows/hosts.mjs';
import * as json0 from './rows/json0.mjs';
import * as large from './rows/large.mjs';
import * as latency from './rows/latency.mjs';
import * as memory from './rows/memory.mjs';
import * as node from './rows/node.mjs';
import * as pending from './rows/pending.mjs';
import * as restart from './rows/restart.mjs';
import * as size from './rows/size.mjs';
import * as store from './rows/store.mjs';
import * as traffic from './rows/traffic.mjs';

const GROUPS = [
  latency,
  engines,
  traffic,
  hosts,
  coordination,
  bulk,
  pending,
  node,
  large,
  store,
  restart,
  cold,
  json0,
  memory,
  size,
].flatMap(({ groups }) => groups);
const CLUSTER_GROUPS = cluster.groups;
const RESULT = fileURLToPath(new URL('../../target/bench.json', import.meta.url));

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean' },
    only: { type: 'string', default: '' },
    cluster: { type: 'boolean' },
  },
});

const isWanted = ({ figure }) => figure.toLowerCase().includes(options.only.toLowerCase());
const offered = options.cluster ? CLUSTER_GROUPS : GROUPS;
const groups = offered.filter(({ figures }) => figures.some(isWanted));
if (groups.length === 0) {
  const names = offered.flatMap(({ figures }) => figures.map(({ figure }) => `  ${figure}`));
  console.error(`no figure contains ${options.only}; there are:\n${names.join('\n')}`);
  process.exit(2);
}

const bench = new Bench({ quick: Boolean(options.quick) });
const rows = [];
let broken = 0;
try {
  for (const group of groups) {
    console.log(`measuring: ${group.figures.map(({ figure }) => figure).join('; ')}`);
    for (const row of await measure(group)) {
      printRow(row);
      rows.push(row);
    }
  }
} finally {
  await bench.close();
}
printTable(rows);
write(rows);
process.exitCode = broken ? 1 : 0;

/** The rows of a group. What cannot be measured misses its goal, and the other groups still run. */
async function measure({ figures, run }) {
  let values = [];
  try {
    values = await run(bench);
  } catch (error) {
    broken++;
    console.error(error);
  }
  return figures.map(({ figure, goal }, index) => {
    const { ours = null, stock = null } = values[index] ?? {};
    const ratio = ours !== null && stock ? ours / stock : null;
    return { figure, ours, stock, ratio, goal: goal.text, met: goal.met({ ours, stock, ratio }) };
  });
}

function write(measured) {
  const all = [...GROUPS, ...CLUSTER_GROUPS];
  const order = all.flatMap(({ figures }) => figures.map(({ figure }) => figure));
  const byName = new Map([...earlier(), ...measured].map((row) => [row.figure, row]));
  const list = order.filter((figure) => byName.has(figure)).map((figure) => byName.get(figure));
  mkdirSync(dirname(RESULT), { recursive: true });
  writeFileSync(RESULT, `${JSON.stringify(list, null, 2)}\n`);
}

function earlier() {
  if (!options.only && !options.cluster) return [];
  try {
    return JSON.parse(readFileSync(RESULT, 'utf8'));
  } catch {
    return [];
  }
}
