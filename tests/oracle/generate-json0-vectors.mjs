// Writes the golden vectors for json0, one file for each function, by asking npm ot-json0 (and npm
// sharedb for the path check). With `--check` it writes nothing, asks again and fails on a difference.

import { createRequire } from 'node:module';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import json0 from 'ot-json0';

const { type } = json0;
const shareDbOt = createRequire(import.meta.url)('sharedb/lib/ot.js');
const folder = new URL('../vectors/json0/', import.meta.url);
const copy = (value) => JSON.parse(JSON.stringify(value));

/** Texts whose reading and writing a lesser JSON library gets wrong. */
const texts = [
  '1.0',
  '-0',
  '1e21',
  '1e20',
  '123456789012345680000',
  '1e-7',
  '0.000001',
  '5e-324',
  '2.2250738585072014e-308',
  '1.7976931348623157e308',
  '1e400',
  '0.1',
  '0.30000000000000004',
  '9007199254740993',
  '1234567890123456789',
  '8.41e21',
  '9.5367431640625e-7',
  '4.4501477170144023e-308',
  '2.2250738585072011e-308',
  '6.02214076e23',
  '1E+2',
  '"\\u00e9\\u20ac\\ud83d\\ude00"',
  '"\\ud83d"',
  '"\\ude00\\ud83d"',
  '"\\u2028\\u007f\\u0000\\u001f\\b\\f\\n\\r\\t\\"\\\\\\/"',
  '{"b":1,"10":2,"a":3,"9":4,"01":5,"-1":6,"4294967294":7,"4294967295":8,"b":9}',
  '{"__proto__":1,"":2}',
  '[[],{},[{"a":[null,true,false]}]]',
  ' [ 1 , 2 ] ',
];

/** One component of each kind, many of them in each other's way. */
const zoo = [
  { p: [], od: { a: 1 }, oi: [1] },
  { p: ['a'], oi: 1 },
  { p: ['a'], oi: null },
  { p: ['a'], oi: { n: 1, l: [] } },
  { p: ['a'], od: { n: 1, l: [1, 2] } },
  { p: ['a'], od: null, oi: 'x' },
  { p: ['a', 'n'], na: 3 },
  { p: ['a', 'n'], na: -1.5, why: 'kept' },
  { p: ['a', 'l', 0], li: 'left' },
  { p: ['a', 'l', 1], ld: 2 },
  { p: ['l', 0], li: 'x' },
  { p: ['l', 1], li: [0] },
  { p: ['l', 2], li: null },
  { p: ['l', 0], ld: 'x' },
  { p: ['l', 1], ld: { deep: [1, 2] } },
  { p: ['l', 1], ld: { deep: [1, 2] }, li: 'y' },
  { p: ['l', 0], lm: 2 },
  { p: ['l', 2], lm: 0 },
  { p: ['l', 1], lm: 1 },
  { p: ['l', 1], lm: 2 },
  { p: ['l', 1, 'deep', 0], li: 7 },
  { p: ['l', 1, 'deep', 1], ld: 2 },
  { p: ['l', 1, 'deep'], od: [1, 2] },
  { p: ['s', 0], si: 'new' },
  { p: ['s', 2], si: '\ud83d' },
  { p: ['s', 1], sd: 'bcd' },
  { p: ['s', 2], sd: 'cd' },
  { sd: 'a', extra: { kept: [1] }, p: ['s', 0] },
  { p: ['s'], t: 'text0', o: [{ p: 1, i: 'in' }] },
  {
    p: ['s'],
    t: 'text0',
    o: [
      { d: 'bc', p: 1 },
      { p: 0, i: '>' },
    ],
  },
  { p: ['s'], t: 'unheard-of', o: ['x'] },
  { p: ['s'], od: 'abcde', oi: 'other' },
];

const document = {
  a: { n: 1, l: [1, 2] },
  l: ['x', { deep: [1, 2] }, 'z'],
  s: 'abcde',
  n: 5,
  e: '\ud83d\ude00!',
};

/** Ops for which single components are not enough, by the trap they are about. */
const ops = {
  'a null oi is an insert': [{ p: ['fresh'], oi: null }],
  'a null li is an insert': [{ p: ['l', 0], li: null }],
  'a null od is a delete': [{ p: ['n'], od: null }],
  'a delete in the middle of an emoji': [{ p: ['e', 1], sd: '\ude00' }],
  'an insert in the middle of an emoji': [{ p: ['e', 1], si: '-' }],
  'two halves meet': [
    { p: ['e', 1], sd: '\ude00' },
    { p: ['e', 1], si: '\ude01' },
  ],
  'integer-like keys come first': [
    { p: ['b'], oi: 1 },
    { p: ['10'], oi: 2 },
    { p: ['9'], oi: 3 },
    { p: ['01'], oi: 4 },
  ],
  'a replaced key keeps its place': [{ p: ['a'], od: 0, oi: 'new' }],
  'a key deleted and put back comes last': [
    { p: ['a'], od: 0 },
    { p: ['a'], oi: 'new' },
  ],
  'sums of fractions': [
    { p: ['n'], na: 0.1 },
    { p: ['n'], na: 0.2 },
  ],
  'a sum too large': [
    { p: ['n'], na: 1.7e308 },
    { p: ['n'], na: 1.7e308 },
  ],
  typing: [
    { p: ['s', 0], si: 'a' },
    { p: ['s', 1], si: 'b' },
    { p: ['s', 0], si: 'c' },
  ],
  'deleting backwards': [
    { p: ['s', 2], sd: 'c' },
    { p: ['s', 1], sd: 'b' },
  ],
  'insert and delete of one element': [
    { p: ['l', 0], li: 1 },
    { p: ['l', 0], ld: 1 },
  ],
  'insert and delete of an equal object': [
    { p: ['l', 0], li: {} },
    { p: ['l', 0], ld: {} },
  ],
  '1 and 1.0 are one number': [
    { p: ['l', 0], li: 1.0 },
    { p: ['l', 0], ld: 1 },
  ],
  'key and index 1 are two segments': [
    { p: ['l', 1], na: 1 },
    { p: ['l', '1'], na: 1 },
  ],
  'unknown fields survive': [{ zz: 1, p: ['n'], na: 1, 5: [] }],
  'unknown fields do not survive a sum': [
    { p: ['n'], na: 1, zz: 1 },
    { p: ['n'], na: 1, zz: 2 },
  ],
  'a move to its own place': [
    { p: ['n'], na: 1 },
    { p: ['l', 1], lm: 1 },
  ],
  'text without a position': [
    { p: ['s', 0], si: 'a' },
    { p: [], si: 'b' },
  ],
  'a negative index counts from the end': [{ p: ['l', -1], li: 'x' }],
  'an index as text': [{ p: ['l', '1'], ld: 0 }],
  'a length can be added to': [{ p: ['l', 'length'], na: 1 }],
};

/** Ops that are refused. */
const refused = {
  'not a list': [{ p: ['s', 'x'], li: 1 }],
  'not an object': [{ p: ['l', 'x'], oi: 1 }],
  'not a number': [{ p: ['s'], na: 1 }],
  'nothing there': [{ p: ['no', 'where'], oi: 1 }],
  'nothing further there': [{ p: ['no', 'where', 'else'], oi: 1 }],
  'no instruction': [{ p: ['n'] }],
  'an unheard-of subtype': [{ p: ['s'], t: 'unheard-of', o: [] }],
  'another text': [{ p: ['s', 0], sd: 'x' }],
  'half an emoji as text': [{ p: ['e', 0], sd: '\ud83e' }],
  'a negative position': [{ p: ['s', -1], si: 'x' }],
  'no position': [{ p: ['s', 'x'], si: 'x' }],
  'insert and delete at once': [{ p: ['s', 0], si: 'x', sd: 'a' }],
  'no path': [{ oi: 1 }],
};

const single = Object.fromEntries(zoo.map((component) => [JSON.stringify(component), [component]]));
const lists = { ...single, ...ops };
const pairs = zoo.flatMap((a) => zoo.map((b) => ({ a: [a], b: [b] })));
const multiples = Object.values(ops).flatMap((a) =>
  Object.values({ ...ops, ...single }).map((b) => ({ a, b })),
);
const names = [
  ...Object.getOwnPropertyNames(Object.prototype),
  'prototype',
  'length',
  'x',
  '',
  'constructo',
];

/** `ask` with fresh copies of the arguments; what it returns or throws goes into the vector. */
function vector(args, ask, name) {
  const found = name === undefined ? {} : { name };
  try {
    const result = ask(...Object.values(args).map(copy));
    return { ...found, ...args, result: copy(result) };
  } catch (error) {
    return { ...found, ...args, error: error.message.toWellFormed() };
  }
}

const named = (table, args, ask) =>
  Object.entries(table).map(([name, op]) => vector(args(op), ask, name));

const files = {
  value: texts.map((text) => ({ text, result: JSON.stringify(JSON.parse(text)) })),
  create: [
    vector({}, () => type.create()),
    ...[null, 0, 'x', { b: 1, 1: 2 }].map((data) => vector({ data }, type.create)),
  ],
  apply: named({ ...lists, ...refused }, (op) => ({ document, op }), type.apply),
  invert: named(lists, (op) => ({ op }), type.invert),
  normalize: [
    ...named(
      { ...lists, 'no path': [{ oi: 1 }], 'a null path': [{ oi: 1, p: null }] },
      (op) => ({ op }),
      type.normalize,
    ),
    vector({ op: { p: ['n'], na: 1 } }, type.normalize, 'a bare component'),
    vector({ op: { na: 1 } }, type.normalize, 'a bare component without a path'),
    vector({ op: [null] }, type.normalize, 'a null component'),
    vector({ op: null }, type.normalize, 'null'),
  ],
  compose: [...pairs, ...multiples].map((args) => vector(args, type.compose)),
  transform: ['left', 'right'].flatMap((side) =>
    [...pairs, ...multiples].map((args) => vector({ ...args, side }, type.transform)),
  ),
  transformX: [...pairs, ...multiples].map((args) => vector(args, type.transformX)),
  'check-paths': names.flatMap((name) =>
    [name, [name], [[name]], [name, 1]].map((segment) =>
      pathVector({ op: [{ p: ['a', segment], oi: 1 }] }),
    ),
  ),
};

function pathVector(args) {
  const error = shareDbOt.checkOpPathsForType(type, args);
  return error ? { ...args, error: error.message } : { ...args, result: null };
}

/** One vector a line, so that a change shows as one. */
const contents = (vectors) =>
  '[\n' + vectors.map((entry) => JSON.stringify(entry)).join(',\n') + '\n]\n';

mkdirSync(folder, { recursive: true });
let stale = 0;
for (const [name, vectors] of Object.entries(files)) {
  const file = new URL(`${name}.json`, folder);
  if (!process.argv.includes('--check')) {
    writeFileSync(file, contents(vectors));
  } else if (readFileSync(file, 'utf8') !== contents(vectors)) {
    console.error(`${name}.json is not what the oracle says now`);
    stale += 1;
  }
}
process.exitCode = stale > 0 ? 1 : 0;
