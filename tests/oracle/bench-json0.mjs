// How fast npm ot-json0 is on this machine, as JSON: nanoseconds for one call of each function on each
// workload. `--workload` prints the workloads instead, for whoever is to be measured on the same ones.

import json0 from 'ot-json0';
import { wholesFrom } from '../random.mjs';

const { type } = json0;
const copy = (value) => JSON.parse(JSON.stringify(value));

const item = (id) => ({
  id: `item-${id}`,
  title: `Title of item ${id}`,
  done: false,
  count: id,
  tags: ['red', 'green'],
});

function makeDocument() {
  const document = { items: [], board: {}, text: '', settings: { theme: 'dark', size: 12.5 } };
  for (let i = 0; i < 200; i++) document.items.push(item(i));
  for (let i = 0; i < 200; i++)
    document.board[`card-${i}`] = { x: i * 1.5, y: i, label: `Card ${i}` };
  for (let i = 0; i < 40; i++)
    document.text += 'The quick brown fox jumps over the lazy dog. 1234567890 ';
  return document;
}

/** Component kinds; each gets the current document and fits it. */
const structure = [
  (doc, next) => {
    const at = next(doc.items.length + 1);
    return { p: ['items', at], li: item(1000 + next(1000)) };
  },
  (doc, next) => {
    const at = next(doc.items.length);
    return { p: ['items', at], ld: copy(doc.items[at]) };
  },
  (doc, next) => ({ p: ['items', next(doc.items.length), 'count'], na: 1 + next(9) }),
  (doc, next) => {
    const at = next(doc.items.length);
    return { p: ['items', at, 'title'], od: doc.items[at].title, oi: `Renamed to ${next(1000)}` };
  },
  (doc, next) => ({ p: ['items', next(doc.items.length)], lm: next(doc.items.length) }),
  (doc, next) => {
    const key = `card-${next(200)}`;
    const oi = { x: next(500) + 0.5, y: next(500), label: 'Moved' };
    return key in doc.board
      ? { p: ['board', key], od: copy(doc.board[key]), oi }
      : { p: ['board', key], oi };
  },
];
const text = [
  (doc, next) => ({ p: ['text', next(doc.text.length)], si: ' typed' }),
  (doc, next) => {
    const at = next(doc.text.length - 5);
    return { p: ['text', at], sd: doc.text.slice(at, at + 1 + next(4)) };
  },
];

function makeOp(document, kinds, length, seed) {
  const next = wholesFrom(seed);
  let current = copy(document);
  const op = [];
  while (op.length < length) {
    const component = kinds[next(kinds.length)](current, next);
    op.push(component);
    current = type.apply(current, [component]);
  }
  return { op, after: current };
}

function workload(name, kinds, length, otherKinds = kinds) {
  const document = makeDocument();
  const { op: a, after } = makeOp(document, kinds, length, 1);
  const { op: b } = makeOp(document, otherKinds, length, 2);
  const { op: c } = makeOp(after, kinds, length, 3);
  return { name, document, a, b, c };
}

const fields = [...structure.slice(2, 4), structure[5]];
const workloads = [
  // Ops that do not meet: json0-rs panics on many that do.
  workload('apart-100', structure.slice(2, 4), 100, [structure[5]]),
  workload('structure-100', structure, 100),
  workload('structure-400', structure, 400),
  workload('mixed-100', [...structure, ...text], 100),
  workload('text-100', text, 100),
];
const pending = {
  pending: makeOp(makeDocument(), [...fields, text[0]], 4000, 4).op,
  remote: makeOp(makeDocument(), [...structure, ...text], 100, 5).op,
};

/** Nanoseconds for one call, the best of several runs. */
function time(call) {
  let best = Infinity;
  const end = performance.now() + 1500;
  do {
    const start = performance.now();
    call();
    best = Math.min(best, performance.now() - start);
  } while (performance.now() < end);
  return Math.round(best * 1e6);
}

function measure({ name, document, a, b, c }) {
  let current = copy(document);
  const undo = type.invert(a);
  return {
    name,
    // There and back, so that each round finds the same document.
    apply: Math.round(time(() => (current = type.apply(type.apply(current, a), undo))) / 2),
    transform: time(() => type.transform(a, b, 'left')),
    transformX: time(() => type.transformX(a, b)),
    compose: time(() => type.compose(a, c)),
  };
}

/** Milliseconds to take remote ops of one component past a long pending op. */
function measurePending() {
  let op = pending.pending;
  const start = performance.now();
  for (const component of pending.remote) op = type.transformX(op, [component])[0];
  return Math.round(performance.now() - start);
}

const out = process.argv.includes('--workload')
  ? { workloads, pending }
  : { workloads: workloads.map(measure), pendingMs: measurePending() };
process.stdout.write(JSON.stringify(out) + '\n');
