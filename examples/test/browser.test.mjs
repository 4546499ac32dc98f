/**
 * Two tabs of each demo in Chromium against the demo server: they agree with the server after concurrent typing,
 * moves, outages and restarts. Needs built pages (`npm run build -w examples`); CHROMIUM names another browser,
 * CLIENT=stock runs the pages on the stock client.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import test, { after, afterEach, before } from 'node:test';
import { chromium } from 'playwright-core';
import { startServer } from '../server.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const CLIENT = process.env.CLIENT ?? '';
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
];
const WAIT = { timeout: 15_000 };
const skip = existsSync(CHROMIUM) ? false : `no browser at ${CHROMIUM}`;

let server;
let browser;
let context;

before(async () => {
  if (skip) return;
  server = await startServer({ port: 0 });
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
  context = await browser.newContext({ viewport: { width: 1200, height: 800 } });
});

afterEach(async () => {
  for (const tab of context?.pages() ?? []) await tab.close();
});

after(async () => {
  await browser?.close();
  await server?.close();
});

const admin = async (path, method = 'GET') =>
  (await fetch(`${server.url}/admin/${path}`, { method })).json();

async function openTab(demo, id) {
  const tab = await context.newPage();
  tab.on('pageerror', (error) => assert.fail(error));
  await tab.goto(`${server.url}/${demo}.html?doc=${id}&client=${CLIENT}`);
  await tab.locator('body[data-ready]').waitFor(WAIT);
  return tab;
}

const openTwo = async (demo, id) => [await openTab(demo, id), await openTab(demo, id)];

/** Waits until both tabs hold what the server holds, and returns that. */
async function agree(tabs, id) {
  const idle = () => window.demo.connection.state === 'connected' && !window.demo.doc.hasPending();
  for (const tab of tabs) await tab.waitForFunction(idle, null, WAIT);
  const { v, data } = await admin(`snapshot?d=${id}`);
  for (const tab of tabs) {
    await tab.waitForFunction((version) => window.demo.doc.version === version, v, WAIT);
    assert.deepEqual(await tab.evaluate(() => window.demo.doc.data), data);
  }
  return data;
}

async function agreeOnText(tabs, id) {
  const { text } = await agree(tabs, id);
  for (const tab of tabs) assert.equal(await tab.locator('#letter').inputValue(), text);
  return text;
}

const isDown = (tab) =>
  tab.waitForFunction(() => window.demo.connection.state !== 'connected', null, WAIT);

const caretTo = (tab, start, end = start) =>
  tab
    .locator('#letter')
    .evaluate((field, range) => (field.focus(), field.setSelectionRange(...range)), [start, end]);

async function replaceAll(tab, text) {
  await tab.locator('#letter').fill(text);
}

test('letter: two tabs type at once', { skip }, async () => {
  const tabs = await openTwo('text', 'typing');
  const [a, b] = tabs;
  await replaceAll(a, 'A letter.');
  await agreeOnText(tabs, 'typing');
  await caretTo(a, 0);
  await caretTo(b, 5);
  await Promise.all([
    a.keyboard.type('One 😀 two. ', { delay: 7 }),
    b.keyboard.type('[three 🐕]', { delay: 5 }),
  ]);
  assert.equal(await agreeOnText(tabs, 'typing'), 'One 😀 two. A let[three 🐕]ter.');
});

test('letter: both type fast at the same place and delete again', { skip }, async () => {
  const tabs = await openTwo('text', 'place');
  await Promise.all(tabs.map((tab) => caretTo(tab, 3)));
  await Promise.all(tabs.map((tab, i) => tab.keyboard.type('ab'[i].repeat(40))));
  await Promise.all(tabs.map((tab) => tab.keyboard.press('Backspace')));
  await agreeOnText(tabs, 'place');
});

test('letter: a selection stays on its characters', { skip }, async () => {
  const tabs = await openTwo('text', 'selection');
  const [a, b] = tabs;
  const selected = () =>
    a.locator('#letter').evaluate((f) => f.value.slice(f.selectionStart, f.selectionEnd));
  await caretTo(a, 9, 16);
  const chosen = await selected();
  await caretTo(b, 0, 4);
  await b.keyboard.insertText('pasted over');
  await agreeOnText(tabs, 'selection');
  assert.equal(await selected(), chosen);
});

test('letter: what others do waits while a word is composed', { skip }, async () => {
  const tabs = await openTwo('text', 'compose');
  const [a, b] = tabs;
  await replaceAll(a, 'fresh text here');
  await agreeOnText(tabs, 'compose');
  await a.bringToFront();
  await caretTo(a, 6, 10);
  const input = await context.newCDPSession(a);
  await input.send('Input.imeSetComposition', { text: 'にほ', selectionStart: 2, selectionEnd: 2 });
  await b.evaluate(() => {
    const field = document.querySelector('#letter');
    field.setRangeText('[in]', 8, 8);
    field.dispatchEvent(new InputEvent('input'));
  });
  await a.waitForFunction(() => window.demo.doc.data.text.includes('[in]'), null, WAIT);
  assert.equal(await a.locator('#letter').inputValue(), 'fresh にほ here');
  await input.send('Input.insertText', { text: '日本' });
  assert.equal(await agreeOnText(tabs, 'compose'), 'fresh 日本[in] here');
});

test('letter: undo takes back one’s own words only', { skip }, async () => {
  const tabs = await openTwo('text', 'undo');
  const [a, b] = tabs;
  const start = await agreeOnText(tabs, 'undo');
  await caretTo(a, 0);
  await a.keyboard.type('mine ');
  await agreeOnText(tabs, 'undo');
  await caretTo(b, 2);
  await b.keyboard.type('YOURS');
  await agreeOnText(tabs, 'undo');
  await a.keyboard.press('Control+z');
  assert.equal(await agreeOnText(tabs, 'undo'), `YOURS${start}`);
  await a.keyboard.press('Control+Shift+z');
  assert.ok((await agreeOnText(tabs, 'undo')).replace('YOURS', '').startsWith('mine '));
});

test('letter: carriage returns in the document keep positions right', { skip }, async () => {
  const tabs = await openTwo('text', 'returns');
  const [a] = tabs;
  await a.evaluate(() =>
    window.demo.doc.submitOp([{ p: ['text', 0], si: 'x\r\ny\r\nz\r\n' }], { source: 'test' }),
  );
  await agree(tabs, 'returns');
  await caretTo(a, 4);
  await a.keyboard.type('Q');
  assert.ok((await agree(tabs, 'returns')).text.startsWith('x\r\ny\r\nQz\r\n'));
});

test('letter: both write while the server is away, and while it restarts', { skip }, async () => {
  const tabs = await openTwo('text', 'outage');
  const [a, b] = tabs;
  await replaceAll(a, '-');
  await agreeOnText(tabs, 'outage');
  await admin('cut', 'POST');
  await Promise.all(tabs.map(isDown));
  await caretTo(a, 0);
  await a.keyboard.type('left');
  await b.evaluate(() => document.querySelector('#letter').setSelectionRange(99, 99));
  await b.locator('#letter').press('End');
  await b.keyboard.type('right');
  assert.equal((await admin('status')).sockets, 0);
  await admin('restore', 'POST');
  assert.equal(await agreeOnText(tabs, 'outage'), 'left-right');
  const typing = a.keyboard.type(' and goes on', { delay: 10 });
  await admin('restart', 'POST');
  await typing;
  assert.equal(await agreeOnText(tabs, 'outage'), 'left and goes on-right');
});

test('letter: a page opened while the server is away fills when it is back', { skip }, async () => {
  const tab = await openTab('text', 'away');
  await admin('cut', 'POST');
  await tab.reload();
  await tab.getByRole('button', { name: 'Come back online' }).click();
  await tab.locator('body[data-ready]').waitFor(WAIT);
  await agreeOnText([tab], 'away');
});

test('counter: every addition counts once', { skip }, async () => {
  const tabs = await openTwo('counter', 'sum');
  await Promise.all(tabs.map((tab) => tab.click('#burst')));
  await Promise.all(tabs.map((tab, i) => tab.click(['[data-add="10"]', '[data-add="-1"]'][i])));
  assert.deepEqual(await agree(tabs, 'sum'), { value: 209 });
  assert.equal(await tabs[0].locator('#here').textContent(), '+110');
  assert.equal(await tabs[0].locator('#elsewhere').textContent(), '+99');
});

/** The cards as they stand on the page, column by column. */
const cardsOn = (tab) =>
  tab.evaluate(() => {
    const textOf = (card) => `${card.dataset.card}: ${card.querySelector('textarea').value}`;
    return [...document.querySelectorAll('.column')].map((column) =>
      [...column.querySelectorAll('.card')].map(textOf),
    );
  });

async function agreeOnBoard(tabs, id) {
  const data = await agree(tabs, id);
  assert.deepEqual(await cardsOn(tabs[0]), await cardsOn(tabs[1]));
  return data;
}

async function drag(tab, card, x, y) {
  const handle = await tab.locator(`[data-card="${card}"] .handle`).boundingBox();
  await tab.mouse.move(handle.x + 8, handle.y + 12);
  await tab.mouse.down();
  await tab.mouse.move(handle.x + x, handle.y + y, { steps: 5 });
  await tab.mouse.up();
}

const COLUMN_WIDTH = 380;

test('board: a card is written in while another tab moves it', { skip }, async () => {
  const tabs = await openTwo('board', 'writing');
  const [a, b] = tabs;
  await b.locator('[data-card="letter"] textarea').press('End');
  const typing = b.keyboard.type(' and their dog', { delay: 15 });
  await drag(a, 'letter', COLUMN_WIDTH, -20);
  await drag(a, 'letter', COLUMN_WIDTH, 40);
  await typing;
  const data = await agreeOnBoard(tabs, 'writing');
  assert.equal(data.cards.letter.text, 'Write back to the neighbours and their dog');
  assert.ok(data.columns[2].cards.includes('letter'));
  assert.equal(
    await b.evaluate(() => document.activeElement.closest('.card')?.dataset.card),
    'letter',
  );
});

test('board: two tabs move one card apart, a third move mends it', { skip }, async () => {
  const tabs = await openTwo('board', 'apart');
  await admin('cut', 'POST');
  await Promise.all(tabs.map(isDown));
  await drag(tabs[0], 'fence', COLUMN_WIDTH, 0);
  await drag(tabs[1], 'fence', 2 * COLUMN_WIDTH, 0);
  await admin('restore', 'POST');
  await agreeOnBoard(tabs, 'apart');
  assert.equal(await tabs[0].locator('[data-card="fence"]').count(), 1);
  await tabs[1].locator('[data-card="fence"] .handle').press('ArrowLeft');
  const { columns } = await agreeOnBoard(tabs, 'apart');
  assert.equal(columns.flatMap(({ cards }) => cards).filter((id) => id === 'fence').length, 1);
});

test('board: cards are added and removed', { skip }, async () => {
  const tabs = await openTwo('board', 'cards');
  const [a, b] = tabs;
  await a.locator('.column:nth-child(2) .add').click();
  await a.keyboard.type('A new card');
  await b.locator('[data-card="roses"]').hover();
  await b.locator('[data-card="roses"] .remove').click();
  const data = await agreeOnBoard(tabs, 'cards');
  assert.equal(data.cards.roses, undefined);
  assert.equal(data.cards[data.columns[1].cards.at(-1)].text, 'A new card');
});

test('server: nonsense is refused', { skip }, async () => {
  const status = async (path, options) => (await fetch(server.url + path, options)).status;
  assert.equal(await status('/admin/cut?ms=x', { method: 'POST' }), 400);
  assert.equal(
    await status('/admin/cut', { method: 'POST', headers: { origin: 'http://elsewhere.example' } }),
    403,
  );
  assert.equal(await status('/admin/unknown'), 404);
  assert.equal(await status('/..%2fpackage.json'), 404);
  assert.equal(await status('/%zz'), 400);
  assert.equal(await status('/text'), 200);
});
