/** Several tabs on one text: typing at once, offline, and while the server restarts. */
import assert from 'node:assert/strict';
import { INPUT_METHOD } from './engines/skips.mjs';
import { tokensIn, writeTokens } from './tokens.mjs';
import { until } from './stage.mjs';

const caretTo = (page, start, end = start) =>
  page.evaluate(
    (range) => {
      const field = document.querySelector('#letter');
      field.focus();
      field.setSelectionRange(...range);
    },
    [start, end],
  );

const shown = (page) => page.value('#letter');

async function agreedOnText(stage, pages, id) {
  const { data } = await stage.agreed(pages, id);
  for (const page of pages) assert.equal(await shown(page), data.text);
  return data.text;
}

async function typingAtOnce(stage) {
  const pages = await stage.tabs(3, 'text', 'typing');
  const before = await agreedOnText(stage, pages, 'typing');
  assert.equal(await stage.sockets(), 1);
  const words = ['One writes here. ', 'Two 😀 writes here. ', 'Three writes here. '];
  const places = [0, before.length, 10];
  await Promise.all(pages.map((page, i) => caretTo(page, places[i])));
  await Promise.all(pages.map((page, i) => page.type(words[i], { delay: 3 })));
  const text = await agreedOnText(stage, pages, 'typing');
  for (const word of words) assert.ok(text.includes(word), `${word} is in ${text}`);
  assert.equal(text.length, before.length + words.join('').length);
  assert.equal(await stage.sockets(), 1);
  await stage.hasOneHost(pages[0]);
  await stage.reports(pages[0], { tabs: 3, sockets: 1, docs: 1, pendingOps: 0 });
}

/** Nobody's caret is moved by hand: all three write at the same place. */
async function typingAtOnePlace(stage) {
  const pages = await stage.tabs(3, 'text', 'place');
  const before = await agreedOnText(stage, pages, 'place');
  await Promise.all(pages.map((page) => caretTo(page, 5)));
  await Promise.all(pages.map((page, i) => page.type('abc'[i].repeat(60))));
  await Promise.all(pages.map((page) => page.press('Backspace')));
  const text = await agreedOnText(stage, pages, 'place');
  assert.equal(text.length, before.length + 3 * 59);
}

/** How many messages of each kind the server got, without those by which tabs say who is there and hosts ask whether it answers. */
async function askedOfDocuments(stage) {
  const { p, pr, ps, pp, ...received } = await stage.admin('received');
  return received;
}

async function openedLate(stage) {
  const pages = await stage.tabs(3, 'text', 'late');
  await caretTo(pages[1], 0);
  await pages[1].type('Before the fourth. ');
  const text = await agreedOnText(stage, pages, 'late');
  const before = await askedOfDocuments(stage);
  const fourth = await stage.tab('text', 'late');
  assert.equal(await shown(fourth), text);
  await agreedOnText(stage, [...pages, fourth], 'late');
  await stage.reports(fourth, { tabs: 4, sockets: 1 });
  assert.deepEqual(await askedOfDocuments(stage), before, 'the server was not asked');
  await caretTo(fourth, 0);
  await fourth.type('After it. ');
  assert.equal(await agreedOnText(stage, [...pages, fourth], 'late'), `After it. ${text}`);
}

async function openedOffline(stage) {
  const first = await stage.tab('text', 'away');
  await stage.cut([first]);
  await caretTo(first, 0);
  await first.type('Written offline. ');
  const second = await stage.tab('text', 'away');
  assert.ok((await shown(second)).startsWith('Written offline. '));
  await stage.post('restore');
  await agreedOnText(stage, [first, second], 'away');
}

/** The only tab is loaded while the server is away: nothing is to be shown until it is back. */
async function loadedOffline(stage) {
  const page = await stage.tab('text', 'loaded');
  const { data } = await stage.agreed([page], 'loaded');
  await stage.cut([page]);
  await page.reload();
  const back = 'button[data-action="offline"]';
  await until('the page offers to come back', async () => {
    return (await page.count(back)) && (await page.text(back)) === 'Give the server back';
  });
  assert.equal(await page.count('body[data-ready]'), 0);
  await page.click(back);
  await stage.ready(page);
  assert.equal(await agreedOnText(stage, [page], 'loaded'), data.text);
}

async function sharedOffline(stage) {
  const pages = await stage.tabs(2, 'text', 'offline');
  const [a, b] = pages;
  const { v, data } = await stage.agreed(pages, 'offline');
  await stage.cut(pages);
  await caretTo(a, 0);
  await a.type('From A. ');
  await until('B shows what A wrote', async () => (await shown(b)).startsWith('From A. '));
  await b.press('Control+End', '#letter');
  await b.type('From B.');
  await until('A shows what B wrote', async () => (await shown(a)).endsWith('From B.'));
  assert.equal((await stage.snapshot('offline')).v, v, 'the server knows nothing of it');
  assert.equal(await stage.sockets(), 0);
  assert.ok((await stage.status(b)).pendingOps > 0);
  await stage.post('restore');
  assert.equal(await agreedOnText(stage, pages, 'offline'), `From A. ${data.text}From B.`);
  assert.equal(await stage.sockets(), 1);
}

async function keptSelection(stage) {
  const pages = await stage.tabs(2, 'text', 'selection');
  const [a, b] = pages;
  const before = await agreedOnText(stage, pages, 'selection');
  const word = before.slice(9, 16);
  /** What is selected; or what ends at the caret, where the engine took the selection away but for its end. */
  const selected = async () => {
    const { value, selectionStart, selectionEnd } = await a.evaluate(() => {
      const { value, selectionStart, selectionEnd } = document.querySelector('#letter');
      return { value, selectionStart, selectionEnd };
    });
    const isLost = a.losesSelections && selectionStart === selectionEnd;
    return value.slice(isLost ? selectionEnd - word.length : selectionStart, selectionEnd);
  };
  await caretTo(a, 9, 16);
  assert.equal(await selected(), word);
  await caretTo(b, 0, 4);
  await b.insert('pasted over');
  await agreedOnText(stage, pages, 'selection');
  assert.equal(await selected(), word);
}

/** What others write is not put into the field while an input method composes a word there. */
async function composing(stage) {
  const pages = await stage.tabs(2, 'text', 'compose');
  const [a, b] = pages;
  await a.fill('#letter', 'fresh text here');
  await agreedOnText(stage, pages, 'compose');
  await a.page.bringToFront();
  await caretTo(a, 6, 10);
  const input = await a.cdp();
  await input.send('Input.imeSetComposition', { text: 'にほ', selectionStart: 2, selectionEnd: 2 });
  await b.evaluate(() => {
    const field = document.querySelector('#letter');
    field.setRangeText('[in]', 8, 8);
    field.dispatchEvent(new InputEvent('input'));
  });
  await until("A's document has what B wrote", () =>
    a.evaluate(() => window.demo.doc.data.text.includes('[in]')),
  );
  assert.equal(await shown(a), 'fresh にほ here');
  await input.send('Input.insertText', { text: '日本' });
  assert.equal(await agreedOnText(stage, pages, 'compose'), 'fresh 日本[in] here');
}

async function undoOfOnesOwn(stage) {
  const pages = await stage.tabs(2, 'text', 'undo');
  const [a, b] = pages;
  const start = await agreedOnText(stage, pages, 'undo');
  await caretTo(a, 0);
  await a.type('mine ');
  await agreedOnText(stage, pages, 'undo');
  await caretTo(b, 2);
  await b.type('YOURS');
  assert.equal(await agreedOnText(stage, pages, 'undo'), `miYOURSne ${start}`);
  await a.press('Control+z');
  assert.equal(await agreedOnText(stage, pages, 'undo'), `YOURS${start}`);
  await a.press('Control+Shift+z');
  const again = await agreedOnText(stage, pages, 'undo');
  assert.equal(again.replace('YOURS', ''), `mine ${start}`);
}

/** A text area shows a carriage return and a line feed as one character. */
async function carriageReturns(stage) {
  const pages = await stage.tabs(2, 'text', 'returns');
  const [a] = pages;
  const { data } = await stage.agreed(pages, 'returns');
  await a.evaluate(() =>
    window.demo.doc.submitOp([{ p: ['text', 0], si: 'x\r\ny\r\nz\r\n' }], { source: 'test' }),
  );
  await stage.agreed(pages, 'returns');
  await caretTo(a, 4);
  await a.type('Q');
  const { text } = (await stage.agreed(pages, 'returns')).data;
  assert.equal(text, `x\r\ny\r\nQz\r\n${data.text}`);
}

/** Every token once, in the text and in the log, whatever was on its way when the server fell. */
async function exactlyOnce(stage, pages, id, tokens) {
  const { data } = await stage.agreed(pages, id);
  assert.deepEqual(tokensIn(data.text).sort(), [...tokens].sort(), 'the text has each token once');
  const log = await stage.admin(`ops?d=${id}`);
  const inserted = log.flatMap(({ op = [] }) => op.flatMap(({ si = '' }) => tokensIn(si)));
  assert.deepEqual(inserted.sort(), [...tokens].sort(), 'the log has each token once');
  const names = log.map(({ src, seq }) => `${src} ${seq}`);
  assert.equal(new Set(names).size, names.length, 'no (src, seq) is used twice');
}

const TOKENS = 120;

/** What all tabs submit, while `disturb` runs; the callbacks are checked in the page. */
async function underLoad(stage, id, disturb) {
  const pages = await stage.tabs(3, 'text', id);
  await stage.agreed(pages, id);
  const load = Promise.all(pages.map((page, i) => writeTokens(page, 'ABC'[i], TOKENS)));
  await disturb(pages);
  const tokens = (await load).flat();
  assert.equal(tokens.length, 3 * TOKENS);
  await exactlyOnce(stage, pages, id, tokens);
  assert.equal(await stage.sockets(), 1);
}

const written = (page, count) =>
  until(`${count} tokens are written`, () => page.evaluate((n) => window.written >= n, count));

const restartedUnderLoad = (stage) =>
  underLoad(stage, 'restarted', async (pages) => {
    for (const count of [20, 45, 70, 95]) {
      await written(pages[0], count);
      await stage.post('restart');
      await until('the host connects again', async () => (await stage.sockets()) === 1);
    }
  });

const cutUnderLoad = (stage) =>
  underLoad(stage, 'cut', async (pages) => {
    await written(pages[0], 30);
    await stage.cut(pages);
    await written(pages[0], 80);
    await stage.post('restore');
  });

const packagedWorker = async (stage) => {
  const pages = await stage.tabs(3, 'text', 'packaged', '&worker=packaged');
  await caretTo(pages[1], 0);
  await pages[1].type('By the packaged worker. ');
  await agreedOnText(stage, pages, 'packaged');
  assert.equal(await stage.sockets(), 1);
  await stage.hasOneHost(pages[0]);
  if (stage.host === 'shared-worker')
    assert.match((await stage.workers.urls()).join(), /sharedb-proxy-worker/);
};

/** @type {{name: string, run: (stage: import('./stage.mjs').Stage) => Promise<void>}[]} */
export const textTests = [
  { name: 'text: three tabs type at once over one socket', run: typingAtOnce },
  { name: 'text: three tabs type at one place', run: typingAtOnePlace },
  { name: 'text: a fourth tab opens without asking the server', run: openedLate },
  { name: 'text: a tab opens while the server is away', run: openedOffline },
  { name: 'text: a page that loads while the server is away', run: loadedOffline },
  { name: 'text: two tabs share changes while the server is away', run: sharedOffline },
  { name: 'text: a selection stays on its characters', run: keptSelection },
  {
    name: 'text: what others do waits for a word that is composed',
    skip: INPUT_METHOD,
    run: composing,
  },
  { name: 'text: undo takes back one’s own changes', run: undoOfOnesOwn },
  { name: 'text: carriage returns in the document keep positions right', run: carriageReturns },
  { name: 'text: nothing lost or doubled while the server restarts', run: restartedUnderLoad },
  { name: 'text: nothing lost or doubled over an outage', run: cutUnderLoad },
  { name: 'text: the packaged worker', run: packagedWorker },
];
