/** The counter and the board in three tabs at once. */
import assert from 'node:assert/strict';
import { until } from './stage.mjs';

async function countTogether(stage) {
  const pages = await stage.tabs(3, 'counter', 'sum');
  assert.equal(await stage.sockets(), 1);
  await Promise.all(pages.map((page) => page.click('#burst')));
  await Promise.all(
    pages.map(async (page, i) => {
      for (let clicks = 0; clicks < 10; clicks += 1)
        await page.click(['[data-add="1"]', '[data-add="10"]', '[data-add="-1"]'][i]);
    }),
  );
  const { data } = await stage.agreed(pages, 'sum');
  assert.equal(data.value, 300 + 10 + 100 - 10);
  for (const page of pages) assert.equal(await page.text('#value'), '400');
  const tallies = await Promise.all(
    pages.map(async (page) => [await page.text('#here'), await page.text('#elsewhere')]),
  );
  assert.deepEqual(tallies, [
    ['+110', '+290'],
    ['+200', '+200'],
    ['+90', '+310'],
  ]);
}

/** The cards as they stand on the page, column by column. */
const cardsOn = (page) =>
  page.evaluate(() => {
    const textOf = (card) => `${card.dataset.card}: ${card.querySelector('textarea').value}`;
    return [...document.querySelectorAll('.column')].map((column) =>
      [...column.querySelectorAll('.card')].map(textOf),
    );
  });

async function agreedOnBoard(stage, pages, id) {
  const { data } = await stage.agreed(pages, id);
  const boards = await Promise.all(pages.map(cardsOn));
  for (const board of boards) assert.deepEqual(board, boards[0]);
  return data;
}

const handleOf = (card) => `[data-card="${card}"] .handle`;

async function moveAndWrite(stage) {
  const pages = await stage.tabs(3, 'board', 'together');
  const [a, b, c] = pages;
  assert.equal(await stage.sockets(), 1);
  const moves = async (page, card, keys) => {
    for (const key of keys) await page.press(key, handleOf(card));
  };
  await c.press('End', '[data-card="letter"] textarea');
  await Promise.all([
    moves(a, 'letter', ['ArrowRight', 'ArrowRight', 'ArrowUp', 'ArrowLeft']),
    moves(b, 'seeds', ['ArrowDown', 'ArrowRight', 'ArrowDown', 'ArrowRight', 'ArrowUp']),
    c.type(' and their dog', { delay: 5 }),
  ]);
  const data = await agreedOnBoard(stage, pages, 'together');
  assert.equal(data.cards.letter.text, 'Write back to the neighbours and their dog');
  assert.ok(data.columns[1].cards.includes('letter'));
  assert.ok(data.columns[2].cards.includes('seeds'));
}

const COLUMN_WIDTH = 380;

/** Drags a card by its handle, with the mouse, when the card has come to rest: it glides to where it was dropped. */
const drag = (page, card, x, y) => page.drag(handleOf(card), [8, 12], [x, y]);

/** A card is dragged from column to column while somebody writes in it, and keeps the writer's focus. */
async function dragAndWrite(stage) {
  const pages = await stage.tabs(2, 'board', 'dragged');
  const [a, b] = pages;
  await b.press('End', '[data-card="letter"] textarea');
  const typing = b.type(' and their dog', { delay: 15 });
  await drag(a, 'letter', COLUMN_WIDTH, -20);
  await drag(a, 'letter', COLUMN_WIDTH, -100);
  await typing;
  const data = await agreedOnBoard(stage, pages, 'dragged');
  assert.equal(data.cards.letter.text, 'Write back to the neighbours and their dog');
  assert.ok(data.columns[2].cards.includes('letter'));
  const focused = () => document.activeElement.closest('.card')?.dataset.card;
  assert.equal(await b.evaluate(focused), 'letter');
}

/** The same card, by all: wherever it ends, all show it at the same place, once; and it is in one list when it is moved again. */
async function moveOneCard(stage) {
  const pages = await stage.tabs(3, 'board', 'apart');
  await stage.cut(pages);
  const ways = [['ArrowRight'], ['ArrowRight', 'ArrowRight'], ['ArrowUp']];
  await Promise.all(
    pages.map(async (page, i) => {
      for (const key of ways[i]) await page.press(key, handleOf('fence'));
    }),
  );
  await pages[1].click('.column:nth-child(2) .add');
  await pages[1].type('A new card');
  await pages[2].hover('[data-card="roses"]');
  await pages[2].click('[data-card="roses"] .remove');
  await stage.post('restore');
  const data = await agreedOnBoard(stage, pages, 'apart');
  assert.equal(data.cards.roses, undefined);
  assert.equal(data.cards[data.columns[1].cards.at(-1)].text, 'A new card');
  for (const page of pages) assert.equal(await page.count('[data-card="fence"]'), 1);
  await pages[1].press('ArrowLeft', handleOf('fence'));
  const { columns } = await agreedOnBoard(stage, pages, 'apart');
  assert.equal(columns.flatMap(({ cards }) => cards).filter((id) => id === 'fence').length, 1);
}

/** What the strip calls the kinds of hosts. */
const HOST_NAMES = {
  'shared-worker': 'Shared worker',
  'elected-tab': 'Elected tab',
  'in-page': 'Elected tab',
};

const cell = (page, name) => page.text(`[data-cell="${name}"]`);

/** What the strip shows follows what is so. */
async function stripIsLive(stage) {
  const pages = await stage.tabs(2, 'counter', 'strip');
  const [a] = pages;
  const shows = (name, value) =>
    until(
      `the strip shows ${name} ${value}`,
      async () => (await cell(a, name)) === value,
      () => cell(a, name),
    );
  await shows('host', HOST_NAMES[stage.host]);
  await shows('tabs', '2');
  await shows('sockets', '1');
  await shows('pending', '0');
  await shows('state', 'connected');
  await stage.cut(pages);
  await a.click('[data-add="1"]');
  await shows('pending', '1');
  await shows('sockets', '0');
  await stage.post('restore');
  await shows('pending', '0');
  await shows('sockets', '1');
  const { v } = await stage.agreed(pages, 'strip');
  await shows('version', String(v));
  await pages[1].close();
  await shows('tabs', '1');
}

/** @type {{name: string, run: (stage: import('./stage.mjs').Stage) => Promise<void>}[]} */
export const demoTests = [
  { name: 'counter: concurrent additions sum up', run: countTogether },
  { name: 'board: three tabs move and write at once', run: moveAndWrite },
  { name: 'board: a card is dragged while another tab writes in it', run: dragAndWrite },
  { name: 'board: three tabs move one card apart', run: moveOneCard },
  { name: 'strip: host, tabs, sockets, pending ops and version are live', run: stripIsLive },
];
