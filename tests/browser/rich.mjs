/** Rich text in Quill, and everybody's cursor in it: a type of the application's own, in the page and in the worker. */
import assert from 'node:assert/strict';
import { INPUT_METHOD } from './engines/skips.mjs';
import { isDeepStrictEqual } from 'node:util';
import { replaced } from './host-lock.mjs';
import { until } from './stage.mjs';
import { KILLED, MODULE } from './host-skips.mjs';

const RICH_TEXT = 'http://sharejs.org/types/rich-text/v1';

/** Puts the caret or the selection of a tab, as a person does. */
const placeAt = (page, index, length = 0) =>
  page.evaluate(
    (range) => {
      window.demo.quill.focus();
      window.demo.quill.setSelection(...range, 'user');
    },
    [index, length],
  );

const plainText = (page) => page.evaluate(() => window.demo.quill.getText());

/** All tabs and the server hold the same document, and the editors show it. */
async function agreedInQuill(stage, pages, id) {
  const { type, data } = await stage.agreed(pages, id);
  assert.equal(type, RICH_TEXT);
  for (const page of pages) {
    const { ops } = await page.evaluate(() => window.demo.quill.getContents());
    assert.deepEqual(ops, data.ops, 'the editor shows the document');
  }
  return data;
}

const textOf = ({ ops }) => ops.map(({ insert }) => insert).join('');

/** The formats of the first piece of the document that has `text` in it. */
const formatsOf = ({ ops }, text) => ops.find(({ insert }) => insert.includes(text))?.attributes;

async function writingAtOnce(stage) {
  const pages = await stage.tabs(3, 'rich', 'writing');
  assert.equal(await stage.sockets(), 1);
  const before = textOf(await agreedInQuill(stage, pages, 'writing'));
  const [a, b, c] = pages;
  await placeAt(a, 0);
  await placeAt(b, before.indexOf('Cover'), 'Cover'.length);
  await placeAt(c, before.length - 1);
  const words = async (page, format, text) => {
    await page.press(format);
    await page.type(text, { delay: 3 });
  };
  await Promise.all([
    words(a, 'Control+i', 'One 😀 here. '),
    b.press('Control+b').then(() => b.click('.ql-header[value="3"]')),
    words(c, 'Control+u', 'Three writes at the end.'),
  ]);
  const data = await agreedInQuill(stage, pages, 'writing');
  assert.equal(textOf(data), `One 😀 here. ${before.slice(0, -1)}Three writes at the end.\n`);
  assert.deepEqual(formatsOf(data, 'One'), { italic: true });
  assert.deepEqual(formatsOf(data, 'Cover'), { bold: true });
  assert.deepEqual(formatsOf(data, 'Three'), { underline: true });
  assert.equal(await stage.sockets(), 1);
  await stage.hasOneHost(a);
  await stage.reports(a, { tabs: 3, sockets: 1, docs: 1, pendingOps: 0 });
}

/** In the page: as a person who does everything at once, anywhere. */
async function scribble({ seed, strokes }) {
  const PAUSE_MS = 4;
  let state = seed;
  const random = (below) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
  const { quill } = window.demo;
  for (let i = 0; i < strokes; i += 1) {
    // The last line end is not anybody's to take.
    const length = quill.getLength() - 1;
    const at = random(length);
    const some = Math.min(1 + random(6), length - at);
    [
      () => quill.insertText(at, `<${seed}.${i}>`, random(2) ? {} : { italic: true }, 'user'),
      () => quill.insertText(at, '\n', 'user'),
      () => quill.deleteText(at, some, 'user'),
      () => quill.formatText(at, some, 'bold', random(2) === 0, 'user'),
      () => quill.formatLine(at, some, 'list', [false, 'bullet', 'ordered'][random(3)], 'user'),
      () => quill.formatLine(at, some, 'header', [false, 2, 3][random(3)], 'user'),
    ][random(6)]();
    if (random(2)) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

const STROKES = 120;

async function scribbling(stage) {
  const pages = await stage.tabs(3, 'rich', 'scribble');
  await Promise.all(pages.map((page, i) => placeAt(page, 20 + 10 * i, 5)));
  const seeds = pages.map(() => 1 + Math.floor(Math.random() * 1e6));
  stage.said.push(`seeds: ${seeds}`);
  const writing = Promise.all(
    pages.map((page, i) => page.evaluate(scribble, { seed: seeds[i], strokes: STROKES })),
  );
  await stage.post('restart');
  await writing;
  await agreedInQuill(stage, pages, 'scribble');
  // Where a cursor came to rest may differ from tab to tab: an insert inside of what another tab deletes at the same
  // time moves a place otherwise than the delete followed by the insert (rich-text's `transformPresence`).
  await until('everybody is listed', async () =>
    (await Promise.all(pages.map((page) => page.evaluate(cursorsIn)))).every(
      ({ listed, others }) => listed.length === 2 && Object.keys(others).length === 2,
    ),
  );
  await Promise.all(pages.map((page, i) => placeAt(page, 10 * i, 3)));
  await cursorsAgree(pages, [at(0, 3), at(10, 3), at(20, 3)]);
  assert.equal(await stage.sockets(), 1);
}

async function undoOfOnesOwn(stage) {
  const pages = await stage.tabs(2, 'rich', 'undo');
  const [a, b] = pages;
  const before = textOf(await agreedInQuill(stage, pages, 'undo'));
  await placeAt(a, 0);
  await a.type('mine ');
  await agreedInQuill(stage, pages, 'undo');
  await placeAt(b, 2);
  await b.type('YOURS');
  await agreedInQuill(stage, pages, 'undo');
  await a.press('Control+z');
  assert.equal(textOf(await agreedInQuill(stage, pages, 'undo')), `YOURS${before}`);
  await a.click('#redo');
  const after = textOf(await agreedInQuill(stage, pages, 'undo'));
  assert.equal(after.replace('YOURS', ''), `mine ${before}`);
}

/** While an input method composes, what others do waits. */
async function composing(stage) {
  const pages = await stage.tabs(2, 'rich', 'compose');
  const [a, b] = pages;
  const before = textOf(await agreedInQuill(stage, pages, 'compose'));
  await a.page.bringToFront();
  await placeAt(a, 6);
  const input = await a.cdp();
  await input.send('Input.imeSetComposition', { text: 'にほ', selectionStart: 2, selectionEnd: 2 });
  await b.evaluate(() => {
    window.demo.quill.insertText(6, '[at it]', 'user');
    window.demo.quill.insertText(0, '[before] ', 'user');
  });
  await until('A knows what B did', () =>
    a.evaluate(() => JSON.stringify(window.demo.doc.data).includes('[before]')),
  );
  assert.equal(
    await a.evaluate(() => document.querySelector('h2').textContent.includes('[')),
    false,
  );
  await input.send('Input.insertText', { text: '日本' });
  const text = textOf(await agreedInQuill(stage, pages, 'compose'));
  assert.equal(text, `[before] ${before.slice(0, 6)}[at it]日本${before.slice(6)}`);
}

// ---- Cursors ----

/** In the page: this tab's place, and the others' as they are drawn, by name. */
function cursorsIn() {
  const { quill, cursors } = window.demo;
  const name = document.querySelector('#people li').textContent.replace(' (this tab)', '');
  const frame = quill.container.getBoundingClientRect();
  const drawn = quill.getModule('cursors').cursors();
  const others = drawn.map((cursor) => {
    const { index, length } = cursor.range;
    const caret = document.querySelector(`#ql-cursor-${cursor.id} .ql-cursor-caret`);
    const { left, top, height } = caret.getBoundingClientRect();
    const bounds = quill.getBounds(index + length);
    const off = Math.hypot(left - frame.left - bounds.left, top - frame.top - bounds.top);
    return [cursor.name, { index, length, height, off }];
  });
  const people = [...document.querySelectorAll('#people li')].slice(1);
  const { index, length } = cursors.place ?? {};
  return {
    name,
    place: cursors.place && { index, length },
    others: Object.fromEntries(others),
    listed: people.map(({ textContent }) => textContent).sort(),
  };
}

/** How far a caret may be drawn from where Quill says the place is, in pixels: its own width and a rounding. */
const NEAR_PX = 3;

/**
 * Waits until each tab draws everybody else's cursor where that tab has it, and nobody more.
 *
 * @param {import('./stage.mjs').Tab[]} pages
 * @param {{index: number, length: number}[]} [places] where they shall be
 */
async function cursorsAgree(pages, places) {
  let seen;
  await until(
    `${pages.length} tabs draw each other's cursors`,
    async () => {
      seen = await Promise.all(pages.map((page) => page.evaluate(cursorsIn)));
      const areThere = !places || seen.every(({ place }, i) => isAt(pages[i], place, places[i]));
      return areThere && seen.every((tab) => draws(tab, seen));
    },
    () => seen,
  );
}

/** Whether a tab's own place is where it shall be, or at its end where the engine took the selection away. */
function isAt(page, place, shall) {
  if (isDeepStrictEqual(place, shall)) return true;
  return page.losesSelections && isDeepStrictEqual(place, at(shall.index + shall.length));
}

/** Whether a tab draws the cursors of all others that have one, where they have it. */
function draws({ name, others, listed }, all) {
  const expected = all.filter((tab) => tab.name !== name && tab.place);
  return (
    isDeepStrictEqual(listed, expected.map((tab) => tab.name).sort()) &&
    Object.keys(others).length === expected.length &&
    expected.every((tab) => {
      if (!others[tab.name]) return false;
      const { height, off, ...place } = others[tab.name];
      return isDeepStrictEqual(place, tab.place) && height > 0 && off < NEAR_PX;
    })
  );
}

const at = (index, length = 0) => ({ index, length });

/** Three tabs with a caret, a selection and a caret. */
async function threeCursors(stage, id) {
  const pages = await stage.tabs(3, 'rich', id);
  await placeAt(pages[0], 40);
  await placeAt(pages[1], 60, 16);
  await placeAt(pages[2], 150);
  await cursorsAgree(pages, [at(40), at(60, 16), at(150)]);
  return pages;
}

async function followingEdits(stage) {
  const pages = await threeCursors(stage, 'follow');
  const [a, b, c] = pages;
  assert.equal(await stage.sockets(), 1);
  await a.type('five+');
  await cursorsAgree(pages, [at(45), at(65, 16), at(155)]);
  await c.evaluate(() => window.demo.quill.insertText(70, '...', 'user'));
  await cursorsAgree(pages, [at(45), at(65, 19), at(158)]);
  await c.evaluate(() => window.demo.quill.deleteText(0, 10, 'user'));
  await cursorsAgree(pages, [at(35), at(55, 19), at(148)]);
  await b.press('Control+b');
  await b.press('ArrowRight');
  await cursorsAgree(pages, [at(35), at(74), at(148)]);
  await agreedInQuill(stage, pages, 'follow');
}

async function lateJoiner(stage) {
  const pages = await threeCursors(stage, 'joined');
  const late = await stage.tab('rich', 'joined');
  pages.push(late);
  await cursorsAgree(pages);
  await placeAt(late, 5, 3);
  await cursorsAgree(pages, [at(40), at(60, 16), at(150), at(5, 3)]);
  const names = await Promise.all(pages.map(async (page) => (await page.evaluate(cursorsIn)).name));
  assert.equal(new Set(names).size, 4, 'everybody has a name');
}

async function goneWithTheirTabs(stage) {
  const pages = await threeCursors(stage, 'gone');
  const [a, b, c] = pages;
  await c.close();
  await cursorsAgree([a, b]);
  await b.crash();
  await cursorsAgree([a]);
  const next = await stage.tab('rich', 'gone');
  await placeAt(next, 12);
  await cursorsAgree([a, next], [at(40), at(12)]);
}

async function goneAndBack(stage) {
  const pages = await threeCursors(stage, 'back');
  await stage.reload(pages[1]);
  await cursorsAgree(pages);
  await placeAt(pages[1], 7);
  await cursorsAgree(pages, [at(40), at(7), at(150)]);
}

/** The cursors move from tab to tab, with the server there or not. */
async function withoutTheServer(stage) {
  const pages = await threeCursors(stage, 'offline');
  await stage.cut(pages);
  await pages[0].type('offline ');
  await cursorsAgree(pages, [at(48), at(68, 16), at(158)]);
  await placeAt(pages[2], 20, 4);
  await cursorsAgree(pages, [at(48), at(68, 16), at(20, 4)]);
  await stage.post('restore');
  await agreedInQuill(stage, pages, 'offline');
  await cursorsAgree(pages, [at(48), at(68, 16), at(20, 4)]);
}

/** The next host knows nothing; the tabs tell it where they are. */
async function withoutTheirHost(stage) {
  const pages = await threeCursors(stage, 'killed');
  for (let kills = 1; kills <= 2; kills += 1) {
    await replaced(pages[0], () => stage.workers.kill());
    await stage.reports(pages[0], { tabs: 3, sockets: 1 });
    await placeAt(pages[0], 40 + kills);
    await cursorsAgree(pages, [at(40 + kills), at(60, 16), at(150)]);
  }
  await pages[0].type('on ');
  await cursorsAgree(pages, [at(45), at(63, 16), at(153)]);
  await agreedInQuill(stage, pages, 'killed');
}

async function anotherBrowser(stage) {
  const pages = await threeCursors(stage, 'stock');
  const stock = await stage.tab('rich', 'stock', '&client=stock');
  pages.push(stock);
  await cursorsAgree(pages);
  await placeAt(stock, 30);
  await stock.type('by the stock client ');
  await cursorsAgree(pages, [at(60), at(80, 16), at(170), at(50)]);
  await agreedInQuill(stage, pages, 'stock');
  assert.equal(await stage.sockets(), 2);
}

// ---- A host without the type ----

/** The packaged worker knows json0 only. */
async function typeMissing(stage) {
  for (const id of ['rich', 'to-be-created']) {
    const page = await stage.browser.newTab();
    await page.goto(`${stage.server.url}/rich.html?doc=${id}&store=session&worker=packaged`);
    const problem = () => page.text('#problem');
    await until(
      `the page says which type is missing for ${id}`,
      async () => (await problem()).includes('rich-text'),
      problem,
    );
    assert.match(await problem(), /serve\(\{types: \[type\]\}\)/);
    const code = await page.evaluate(() => window.demo.problem?.code);
    assert.equal(code, 'ERR_DOC_TYPE_NOT_RECOGNIZED');
  }
}

/** @type {{name: string, run: (stage: import('./stage.mjs').Stage) => Promise<void>}[]} */
export const richTests = [
  { name: 'rich: three tabs type and format at once over one socket', run: writingAtOnce },
  { name: 'rich: three tabs scribble, and the server restarts', run: scribbling },
  { name: 'rich: undo takes back one’s own changes', run: undoOfOnesOwn },
  {
    name: 'rich: what others do waits for a word that is composed',
    skip: INPUT_METHOD,
    run: composing,
  },
  { name: 'rich: cursors follow edits', run: followingEdits },
  { name: 'rich: a fourth tab sees every cursor', run: lateJoiner },
  { name: 'rich: a cursor goes with its tab, closed or crashed', run: goneWithTheirTabs },
  { name: 'rich: a tab reloads and puts its cursor again', run: goneAndBack },
  { name: 'rich: cursors move while the server is away', run: withoutTheServer },
  { name: 'rich: cursors outlive the worker', skip: KILLED, run: withoutTheirHost },
  { name: 'rich: cursors to and from a stock client', run: anotherBrowser },
  { name: 'rich: a worker without the type says so', skip: MODULE, run: typeMissing },
];
