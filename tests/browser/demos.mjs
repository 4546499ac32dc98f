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

const areAtRest = () =>
  document.querySelector('#board').getAnimations({ subtree: true }).length === 0;

/**
 * Drags a card by its handle, with the mouse, when all cards are at rest: a card glides to where it was dropped, and a
 * busy browser may show it at its old place for several frames first.
 */
async function drag(page, card, x, y) {
  await until('the cards are at rest', () => page.evaluate(areAtRest));
  await page.drag(handleOf(card), [8, 12], [x, y]);
}

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

/** In the page: who is listed, this tab first. */
const listed = () =>
  [...document.querySelectorAll('#who li')].map(({ textContent }) => textContent);

/** Each page says who has the document open, and a tab that is closed is taken from the list. */
async function whoIsThere(stage) {
  const [a, b, c] = await stage.tabs(3, 'board', 'people');
  const elsewhere = await stage.tab('board', 'nobody-else');
  const lists = async (page, names) => {
    await until(
      `the list is ${names}`,
      async () => {
        const [own, ...others] = await page.evaluate(listed);
        return String([own, ...others.sort()]) === String(names);
      },
      () => page.evaluate(listed),
    );
  };
  const own = (page) => page.evaluate(() => document.querySelector('#who li')?.textContent ?? '');
  const names = [];
  for (const page of [a, b, c]) {
    const name = await until('a tab is somebody', () => own(page));
    assert.match(name, / \(this tab\)$/);
    names.push(name.replace(' (this tab)', ''));
  }
  assert.equal(new Set(names).size, 3);
  const [first, second, third] = names;
  await lists(a, [`${first} (this tab)`, ...[second, third].sort()]);
  await lists(b, [`${second} (this tab)`, ...[first, third].sort()]);
  assert.equal((await elsewhere.evaluate(listed)).length, 1);
  await c.close();
  await lists(a, [`${first} (this tab)`, second]);
}

/** What lies on something else in the strip, or runs out of the page. */
const overlaps = (page) =>
  page.evaluate(() => {
    const parts = [...document.querySelectorAll('.strip dt, .strip dd:not(:empty), .actions > *')];
    const boxes = parts
      .filter((part) => part.offsetParent)
      .map((part) => {
        if (part.matches('.actions > *')) return [part.textContent, part.getBoundingClientRect()];
        // The text: a cell may be narrower than what it says.
        const range = document.createRange();
        range.selectNodeContents(part);
        return [part.textContent, range.getBoundingClientRect()];
      });
    const found = boxes.filter(([, { right }]) => right > innerWidth).map(([text]) => text);
    for (const [i, [one, a]] of boxes.entries())
      for (const [other, b] of boxes.slice(i + 1)) {
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        // Words side by side need a gap. Lines of one cell touch by the height of the font's box.
        if (across > -4 && down > 3) found.push(`${one} / ${other}`);
      }
    return found;
  });

/** Nothing in the strip lies on anything else, whatever it says and however wide the page is. */
async function stripIsReadable(stage) {
  const page = await stage.tab('counter', 'readable', '&store=durable');
  const look = async () => {
    for (const width of [1280, 1000, 720, 400]) {
      await page.page.setViewportSize({ width, height: 800 });
      assert.deepEqual(await overlaps(page), [], `${width} pixels`);
    }
  };
  await until('it is kept', async () => (await cell(page, 'store')) === 'In the browser');
  assert.equal(await cell(page, 'letters'), 'also when all tabs are closed');
  await look();
  await stage.cut([page]);
  await until('it is shown', async () => (await cell(page, 'server')) !== '');
  await look();
}

/** One tab is offline, the other is not; both write. */
async function oneTabOffline(stage) {
  const pages = await stage.tabs(2, 'counter', 'one-offline');
  const [a, b] = pages;
  await a.click('[data-action="apart"]');
  await stage.inState(a, 'closed');
  await a.click('[data-add="1"]');
  await b.click('[data-add="10"]');
  assert.equal((await stage.agreed([b], 'one-offline')).data.value, 10);
  assert.equal(await a.text('#value'), '1');
  await a.click('[data-action="apart"]');
  assert.equal((await stage.agreed(pages, 'one-offline')).data.value, 11);
}

async function workerIsKilled(stage) {
  const pages = await stage.tabs(2, 'counter', 'kill-button');
  const [a, b] = pages;
  await stage.cut(pages);
  await b.click('[data-add="10"]');
  await until('A shows it', async () => (await a.text('#value')) === '10');
  await a.click('[data-action="kill"]');
  await a.click('[data-add="1"]');
  await stage.post('restore');
  assert.equal((await stage.agreed(pages, 'kill-button')).data.value, 11);
}

/** A document that the browser does not have, without a server: the page says so, and a new one needs no server. */
async function newOffline(stage) {
  const first = await stage.tab('text', 'known', '&store=durable');
  await stage.cut([first]);
  const page = await stage.browser.newTab();
  await page.goto(`${stage.server.url}/text.html?doc=unknown&host=${stage.host}`);
  await until('the page says why', () => page.count('#waiting a'));
  await page.click('#waiting a');
  await stage.ready(page);
  await page.press('Control+End', '#letter');
  await page.type('Begun offline.');
  await stage.reload(page);
  assert.ok((await page.value('#letter')).endsWith('Begun offline.'));
  await stage.post('restore');
  const id = await page.evaluate(() => window.demo.doc.id);
  const { data } = await stage.agreed([page], id);
  assert.ok(data.text.endsWith('Begun offline.'));
  assert.equal(await page.count('#waiting'), 0);
}

const NO_VIEWPORT = 'its window has the size that it has';
const NO_WORKER = 'there is no worker to kill';

/** @type {{name: string, skip?: Record<string, string>, run: (stage: import('./stage.mjs').Stage) => Promise<void>}[]} */
export const demoTests = [
  { name: 'counter: concurrent additions sum up', run: countTogether },
  { name: 'board: three tabs move and write at once', run: moveAndWrite },
  { name: 'board: a card is dragged while another tab writes in it', run: dragAndWrite },
  { name: 'board: three tabs move one card apart', run: moveOneCard },
  { name: 'strip: host, tabs, sockets, pending ops and version are live', run: stripIsLive },
  {
    name: 'strip: nothing lies on anything else',
    skip: { firefox: NO_VIEWPORT, webkit: NO_VIEWPORT },
    run: stripIsReadable,
  },
  { name: 'strip: who has the document open', run: whoIsThere },
  { name: 'strip: one tab is offline, the other is not', run: oneTabOffline },
  { name: 'strip: the worker is killed', skip: { 'in-page': NO_WORKER }, run: workerIsKilled },
  { name: 'strip: a new document without a server', run: newOffline },
];
