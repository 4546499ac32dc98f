/** The board's ops: what a move does, and that every card is shown once whatever two tabs do at the same time. */
import assert from 'node:assert/strict';
import ShareDB from 'sharedb';
import { SEEDS as DOCS } from '../seeds.mjs';
import { columnOf, opToAdd, opToMove, opToRemove, visibleCards } from '../src/board-ops.js';
import { randomFrom } from './random.mjs';

const SEEDS = 1000;
const json0 = ShareDB.types.defaultType;
const applied = (data, op) => json0.apply(structuredClone(data), op);

function randomMove(random, data) {
  const visible = visibleCards(data);
  const ids = visible.flat();
  const id = ids[random(ids.length)];
  const column = random(visible.length);
  const others = visible[column].filter((other) => other !== id);
  const before = others[random(others.length + 1)] ?? null;
  return { id, column, before, op: opToMove(data, id, column, before) };
}

function assertEachOnce(data, seed) {
  const shown = visibleCards(data).flat();
  assert.equal(new Set(shown).size, shown.length, `seed ${seed}`);
}

it('a moved card is where it was put', () => {
  for (let seed = 0; seed < SEEDS; seed += 1) {
    const random = randomFrom(seed);
    const { id, column, before, op } = randomMove(random, DOCS.board);
    const list = visibleCards(applied(DOCS.board, op))[column];
    assert.equal(list[list.indexOf(id) + 1] ?? null, before, `seed ${seed}`);
  }
});

it('two tabs that move cards at once agree, and each card is shown once', () => {
  for (let seed = 0; seed < SEEDS; seed += 1) {
    const random = randomFrom(seed);
    let data = structuredClone(DOCS.board);
    for (let round = 0; round < 4; round += 1) {
      const [left, right] = [randomMove(random, data).op, randomMove(random, data).op];
      const first = applied(applied(data, left), json0.transform(right, left, 'right'));
      const second = applied(applied(data, right), json0.transform(left, right, 'left'));
      assert.deepEqual(first, second, `seed ${seed}`);
      data = first;
      assertEachOnce(data, seed);
    }
    assert.equal(
      visibleCards(data).flat().length,
      Object.keys(data.cards).length,
      `seed ${seed}: a card is gone`,
    );
  }
});

it('a card moved while another tab removes it is gone everywhere', () => {
  const removal = opToRemove(DOCS.board, 'roses');
  const move = opToMove(DOCS.board, 'roses', 2, null);
  const data = applied(applied(DOCS.board, removal), json0.transform(move, removal, 'right'));
  assert.equal(columnOf(visibleCards(data), 'roses'), -1);
  assert.equal(visibleCards(applied(data, opToAdd(data, 'roses2', 0)))[0].at(-1), 'roses2');
});
