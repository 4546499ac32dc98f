/**
 * json0 in Rust, native and in WebAssembly, against npm ot-json0, on the workloads of
 * `tests/oracle/bench-json0.mjs`. `cargo xtask bench` builds what is measured into `target/bench/json0`.
 */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import ot from 'ot-json0';
import { atMost } from '../table.mjs';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const WORKLOAD = path('../../oracle/bench-json0.mjs');
const BUILT = path('../../../target/bench/json0');
const CALLS = ['apply', 'transform', 'compose'];
/** How long one measurement lasts at least: long beside a call of the clock, short beside a slice of the scheduler. */
const SPAN_MS = 2;
/** How many are made; the shortest counts, because a busy machine only adds. */
const SPANS = 8;

/** Microseconds for one of `call(times)`. */
function timed(call) {
  let best = Infinity;
  for (let times = 1, spans = 0; spans < SPANS;) {
    const begin = performance.now();
    call(times);
    const took = performance.now() - begin;
    if (took < SPAN_MS) {
      times *= 2;
    } else {
      best = Math.min(best, (took / times) * 1000);
      spans++;
    }
  }
  return best;
}

/** npm ot-json0 behind the interface of the Rust bench. */
class Stock {
  constructor({ document, a, b, c }) {
    Object.assign(this, { document, a, b, c, undo: ot.type.invert(a) });
  }

  apply(times) {
    // There and back, so that each round finds the same document; both are applied.
    for (let i = 0; i < times; i++) {
      this.document = ot.type.apply(ot.type.apply(this.document, this.a), this.undo);
    }
  }

  transform(times) {
    for (let i = 0; i < times; i++) ot.type.transform(this.a, this.b, 'left');
  }

  compose(times) {
    for (let i = 0; i < times; i++) ot.type.compose(this.a, this.c);
  }
}

async function json0(bench) {
  if (!existsSync(BUILT)) throw new Error('the Rust bench is not built: cargo xtask bench');
  const { Work } = createRequire(import.meta.url)(`${BUILT}/bench_json0.js`);
  const text = spawnSync(process.execPath, [WORKLOAD, '--workload'], {
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  }).stdout;
  const { workloads } = JSON.parse(text);
  const stock = workloads.map((work) => new Stock(work));
  const wasm = workloads.map((work) => new Work(JSON.stringify(work)));
  /** Microseconds by client, call and workload, one for each round. */
  const samples = { stock: {}, wasm: {}, native: {} };
  const add = (client, call, index, value) => {
    ((samples[client][call] ??= [])[index] ??= []).push(value);
  };
  for (let round = 0; round < bench.rounds(7); round++) {
    const native = runNative(text);
    for (const call of CALLS) {
      for (const index of workloads.keys()) {
        add(
          'stock',
          call,
          index,
          timed((times) => stock[index][call](times)),
        );
        add(
          'wasm',
          call,
          index,
          timed((times) => wasm[index][call](times)),
        );
        add('native', call, index, native[index][call]);
      }
    }
  }
  return ['native', 'wasm'].flatMap((client) =>
    CALLS.map((call) =>
      worst(workloads, samples[client][call], samples.stock[call], `${client} ${call}`),
    ),
  );
}

function runNative(workload) {
  const { stdout, stderr, status } = spawnSync(`${BUILT}/bench-json0`, {
    input: workload,
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  });
  if (status !== 0) throw new Error(`bench-json0: ${stderr}`);
  return JSON.parse(stdout);
}

/** The workload on which Rust is least ahead; all are printed. */
function worst(workloads, ours, stock, name) {
  const all = workloads.map((work, index) => ({
    name: work.name,
    ours: Math.min(...ours[index]),
    stock: Math.min(...stock[index]),
  }));
  const ahead = ({ ours, stock }) => stock / ours;
  console.log(`  ${name}: ${all.map((one) => `${one.name} ${ahead(one).toFixed(1)}×`).join(', ')}`);
  return all.reduce((least, one) => (ahead(one) < ahead(least) ? one : least));
}

const figure = (call, where, factor) => ({
  figure: `json0 ${call} in Rust, ${where}, worst workload (µs)`,
  goal: atMost(1 / factor, `at least ${factor} × as fast`),
});

export const groups = [
  {
    figures: [
      ...CALLS.map((call) => figure(call, 'native', 5)),
      ...CALLS.map((call) => figure(call, 'wasm', 2)),
    ],
    run: json0,
  },
];
