/** The functions under the text binding, against json0 itself. */
import assert from 'node:assert/strict';
import ShareDB from 'sharedb';
import { PendingSplice, findSplice, spliceText } from '../src/splice.js';
import { UndoHistory } from '../src/undo.js';
import { randomFrom, randomSplice } from './random.mjs';

const SEEDS = 2000;
const json0 = ShareDB.types.defaultType;

/** A splice of the string at `['text']` as a json0 op. */
const opOf = (text, { at, remove, insert }) => [
  ...(remove > 0 ? [{ p: ['text', at], sd: text.slice(at, at + remove) }] : []),
  ...(insert !== '' ? [{ p: ['text', at], si: insert }] : []),
];
const applied = (text, op) => json0.apply({ text }, op).text;

it('a found splice leads from one text to the other', () => {
  for (let seed = 0; seed < SEEDS; seed += 1) {
    const random = randomFrom(seed);
    const before = Array.from({ length: random(12) }, () => 'ab😀'.at(random(3))).join('');
    const after = spliceText(before, randomSplice(random, before, ['a', 'b', 'aab', '😀', '😁a']));
    const splice = findSplice(before, after, random(after.length + 1));
    if (before === after) assert.equal(splice, null);
    else assert.equal(spliceText(before, splice), after, `seed ${seed}`);
  }
});

it('the caret tells which of several equal characters changed', () => {
  assert.deepEqual(findSplice('aaa', 'aaaa', 2), { at: 1, remove: 0, insert: 'a' });
  assert.deepEqual(findSplice('aaa', 'aa', 1), { at: 1, remove: 1, insert: '' });
  assert.deepEqual(
    findSplice('abcXdef', 'abcdef', 6),
    { at: 3, remove: 1, insert: '' },
    'a caret elsewhere is harmless',
  );
});

it('a surrogate pair is replaced as a whole', () => {
  assert.deepEqual(findSplice('x😀y', 'x😁y'), { at: 1, remove: 2, insert: '😁' });
  assert.deepEqual(findSplice('\u{1F600}', '\u{1FA00}'), { at: 0, remove: 2, insert: '\u{1FA00}' });
});

it('a pending splice carried over others is what json0 makes of it', () => {
  for (let seed = 0; seed < SEEDS; seed += 1) {
    const random = randomFrom(seed);
    const start = 'The quick brown fox';
    // Either a removal or an insertion: where a replacement and another's insertion meet, json0 keeps no order.
    const { at, remove, insert } = randomSplice(random, start, ['x', 'yz']);
    const own = remove > 0 ? { at, remove, insert: '' } : { at, remove, insert };
    const pending = new PendingSplice(own);
    let op = opOf(start, own);
    let text = start;
    for (let others = 1 + random(3); others > 0; others -= 1) {
      const other = randomSplice(random, text, ['1', '234']);
      for (const part of opOf(text, other)) {
        op = json0.transform(op, [part], 'right');
        pending.follow({ at: part.p[1], remove: part.sd?.length ?? 0, insert: part.si ?? '' });
      }
      text = spliceText(text, other);
    }
    assert.equal(pending.splices().reduce(spliceText, text), applied(text, op), `seed ${seed}`);
  }
});

it('undo takes back one’s own changes and leaves those of others', () => {
  for (let seed = 0; seed < SEEDS; seed += 1) {
    const random = randomFrom(seed);
    const history = new UndoHistory({ type: json0 });
    let text = 'The quick brown fox';
    for (let i = 0; i < 12; i += 1) {
      const own = random(2) === 0;
      const op = opOf(text, randomSplice(random, text, own ? ['O', 'OO'] : ['x', 'xx']));
      if (own) history.record(op, i * 400 * random(4));
      else history.follow(op);
      text = applied(text, op);
    }
    const end = text;
    const step = (direction) => {
      for (let op = history[direction](); op; op = history[direction]()) text = applied(text, op);
    };
    step('undo');
    assert.ok(!text.includes('O'), `seed ${seed}: ${text}`);
    step('redo');
    assert.equal(text, end, `seed ${seed}`);
  }
});
