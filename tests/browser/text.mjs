/** Several tabs on one text: typing at once, offline, and while the server restarts. */
import assert from 'node:assert/strict';
import { tokensIn, writeTokens } from './tokens.mjs';
import { until } from './stage.mjs';

const caretTo = (page, at) =>
  page.locator('#letter').evaluate((field, place) => {
    field.focus();
    field.setSelectionRange(place, place);
  }, at);

const shown = (page) => page.locator('#letter').inputValue();

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
  await Promise.all(pages.map((page, i) => page.keyboard.type(words[i], { delay: 3 })));
  const text = await agreedOnText(stage, pages, 'typing');
  for (const word of words) assert.ok(text.includes(word), `${word} is in ${text}`);
  assert.equal(text.length, before.length + words.join('').length);
  assert.equal(await stage.sockets(), 1);
  assert.equal((await stage.workers.urls()).length, 1);
  await stage.reports(pages[0], { tabs: 3, sockets: 1, docs: 1, pendingOps: 0 });
}

/** Nobody's caret is moved by hand: all three write at the same place. */
async function typingAtOnePlace(stage) {
  const pages = await stage.tabs(3, 'text', 'place');
  const before = await agreedOnText(stage, pages, 'place');
  await Promise.all(pages.map((page) => caretTo(page, 5)));
  await Promise.all(pages.map((page, i) => page.keyboard.type('abc'[i].repeat(60))));
  await Promise.all(pages.map((page) => page.keyboard.press('Backspace')));
  const text = await agreedOnText(stage, pages, 'place');
  assert.equal(text.length, before.length + 3 * 59);
}

async function openedLate(stage) {
  const pages = await stage.tabs(3, 'text', 'late');
  await caretTo(pages[1], 0);
  await pages[1].keyboard.type('Before the fourth. ');
  const text = await agreedOnText(stage, pages, 'late');
  const before = await stage.admin('received');
  const fourth = await stage.tab('text', 'late');
  assert.equal(await shown(fourth), text);
  await agreedOnText(stage, [...pages, fourth], 'late');
  await stage.reports(fourth, { tabs: 4, sockets: 1 });
  assert.deepEqual(await stage.admin('received'), before, 'the server was not asked');
  await caretTo(fourth, 0);
  await fourth.keyboard.type('After it. ');
  assert.equal(await agreedOnText(stage, [...pages, fourth], 'late'), `After it. ${text}`);
}

async function openedOffline(stage) {
  const first = await stage.tab('text', 'away');
  await stage.cut([first]);
  await caretTo(first, 0);
  await first.keyboard.type('Written offline. ');
  const second = await stage.tab('text', 'away');
  assert.ok((await shown(second)).startsWith('Written offline. '));
  await stage.post('restore');
  await agreedOnText(stage, [first, second], 'away');
}

async function sharedOffline(stage) {
  const pages = await stage.tabs(2, 'text', 'offline');
  const [a, b] = pages;
  const { v, data } = await stage.agreed(pages, 'offline');
  await stage.cut(pages);
  await caretTo(a, 0);
  await a.keyboard.type('From A. ');
  await until('B shows what A wrote', async () => (await shown(b)).startsWith('From A. '));
  await b.locator('#letter').press('Control+End');
  await b.keyboard.type('From B.');
  await until('A shows what B wrote', async () => (await shown(a)).endsWith('From B.'));
  assert.equal((await stage.snapshot('offline')).v, v, 'the server knows nothing of it');
  assert.equal(await stage.sockets(), 0);
  assert.ok((await stage.status(b)).pendingOps > 0);
  await stage.post('restore');
  assert.equal(await agreedOnText(stage, pages, 'offline'), `From A. ${data.text}From B.`);
  assert.equal(await stage.sockets(), 1);
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
  await pages[1].keyboard.type('By the packaged worker. ');
  await agreedOnText(stage, pages, 'packaged');
  assert.equal(await stage.sockets(), 1);
  assert.match((await stage.workers.urls()).join(), /worker-entry/);
  const host = await pages[0].evaluate(() => window.demo.connection.host);
  assert.equal(host.kind, 'shared-worker');
};

/** @type {{name: string, run: (stage: import('./stage.mjs').Stage) => Promise<void>}[]} */
export const textTests = [
  { name: 'text: three tabs type at once over one socket', run: typingAtOnce },
  { name: 'text: three tabs type at one place', run: typingAtOnePlace },
  { name: 'text: a fourth tab opens without asking the server', run: openedLate },
  { name: 'text: a tab opens while the server is away', run: openedOffline },
  { name: 'text: two tabs share changes while the server is away', run: sharedOffline },
  { name: 'text: nothing lost or doubled while the server restarts', run: restartedUnderLoad },
  { name: 'text: nothing lost or doubled over an outage', run: cutUnderLoad },
  { name: 'text: the packaged worker', run: packagedWorker },
];
