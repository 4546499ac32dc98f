/**
 * Three editors, each in two tabs of a real browser over one shared worker, against a real ShareDB
 * server: what is typed in both arrives in both, and is what the server has.
 *
 * codemirror-ot 5.8.0 remembers each op of its own and skips the next op that looks the same,
 * which need not be its own: a letter that another typed at the same place later never shows. It
 * does so with the stock client, too. Hence no two tabs type the same letters here, and only one
 * deletes.
 */

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type as json1 } from 'ot-json1';
import Backend from 'sharedb';
import { ENGINES } from '../browser/engines/engines.mjs';
import { Wire } from '../browser/engines/wire.mjs';
import { Stage, until } from '../browser/stage.mjs';
import { EDITORS, buildPages } from './build-pages.mjs';

/** The limit for one test, browser start included, in milliseconds. */
const LIMIT_MS = 60_000;

/** How much of what was said a failure shows, in lines. */
const LAST_WORDS = 20;

Backend.types.register(json1);

const shown = (page) => page.evaluate(() => window.editor.text());
const caret = (page, offset) => page.evaluate((at) => window.editor.caret(at), offset);

/** A document in two tabs, and what a test does with them. */
class Pair {
  static async open(stage, editor, client) {
    const pair = new Pair();
    Object.assign(pair, { stage, id: editor, client });
    pair.pages = await stage.tabs(2, editor, editor, `&client=${client}`);
    await pair.agree();
    return pair;
  }

  /** Waits until both editors show what the server has, and returns that. */
  async agree() {
    const { data } = await this.stage.agreed(this.pages, this.id);
    for (const page of this.pages) {
      await until(
        'an editor shows the text',
        async () => (await shown(page)) === data.text,
        async () => ({ editor: await shown(page), server: data.text }),
      );
    }
    return data.text;
  }

  /** Types in both tabs at once, each at its place. */
  async type(offsets, words) {
    await Promise.all(this.pages.map((page, i) => caret(page, offsets[i])));
    await Promise.all(this.pages.map((page, i) => page.type(words[i], { delay: 3 })));
  }
}

async function together(pair) {
  const before = await pair.agree();
  await pair.type([0, before.length], ['Ada was 😃 there. ', ' MEMO: GO.']);
  assert.equal(await pair.agree(), `Ada was 😃 there. ${before} MEMO: GO.`);
}

async function atOnePlace(pair) {
  const before = await pair.agree();
  await pair.type([4, 4], ['a'.repeat(40), 'B'.repeat(40)]);
  const text = await pair.agree();
  assert.equal(text.length, before.length + 80);
  assert.equal(text.replace(/a{1,40}|B{1,40}/g, ''), before.replace(/a|B/g, ''));
}

/** Line breaks, deletions and a selection that is typed over. */
async function edits(pair) {
  const [first] = pair.pages;
  await first.page.bringToFront();
  const before = await pair.agree();
  // Ace swallows spaces that would begin the new line, so it is broken within a word.
  await caret(first, 2);
  for (const key of ['Enter', 'x', 'Backspace', 'Shift+ArrowRight', 'y', 'Delete'])
    await first.press(key);
  assert.equal(await pair.agree(), `${before.slice(0, 2)}\ny${before.slice(4)}`);
}

async function offline(pair) {
  const before = await pair.agree();
  await pair.stage.cut(pair.pages);
  await pair.type([0, before.length], ['away ', ' NEAR']);
  let texts;
  await until(
    'the tabs share what was typed offline',
    async () => {
      texts = await Promise.all(pair.pages.map(shown));
      return texts.every((text) => text === `away ${before} NEAR`);
    },
    () => ({ before, texts }),
  );
  await pair.stage.post('restore');
  assert.equal(await pair.agree(), `away ${before} NEAR`);
}

/** sharedb-monaco destroys its document with its last editor, and subscribes it again later. */
async function leaveAndEnter(pair) {
  const [first, second] = pair.pages;
  await first.evaluate(() => window.editor.leave());
  await caret(second, 0);
  await second.type('MEANWHILE ');
  await first.evaluate(() => window.editor.enter());
  const text = await pair.agree();
  assert.ok(text.startsWith('MEANWHILE '));
  await pair.type([0, text.length], ['again ', ' OVER']);
  assert.equal(await pair.agree(), `again ${text} OVER`);
}

async function oneSocket({ stage, client, pages }) {
  if (client === 'stock') return assert.equal(await stage.sockets(), 2);
  assert.equal(await stage.sockets(), 1);
  assert.equal((await stage.workers.urls()).length, 1);
  for (const page of pages) {
    assert.equal(await page.evaluate(() => window.demo.connection.host.kind), 'shared-worker');
  }
}

/** What each editor goes through, in this order. The stock client has nothing to do offline. */
function stepsFor(editor, client) {
  const steps = [oneSocket, together, atOnePlace, edits];
  if (editor === 'monaco') steps.push(leaveAndEnter);
  if (client === 'ours') steps.push(offline, oneSocket);
  return steps;
}

/**
 * @param {{grep: string, stock: boolean}} options
 * @param {(name: string, error?: any) => void} note called for each test
 */
export async function runPages({ grep, stock }, note) {
  const client = stock ? 'stock' : 'ours';
  const editors = EDITORS.filter((editor) => editor.includes(grep));
  if (editors.length === 0) return;
  const root = await mkdtemp(join(tmpdir(), 'sharedb-proxy-bindings-'));
  const wire = await Wire.open();
  try {
    await buildPages(root);
    await wire.instrument(root);
    for (const editor of editors) await runEditor({ root, wire }, editor, client, note);
  } finally {
    await wire.close();
    await rm(root, { recursive: true, force: true });
  }
}

async function runEditor({ root, wire }, editor, client, note) {
  const name = `${editor}: two tabs on ${client === 'ours' ? 'one shared worker' : 'stock'}`;
  const stage = await Stage.open(root, ENGINES.chromium, wire);
  let step;
  const work = async () => {
    const pair = await Pair.open(stage, editor, client);
    for (step of stepsFor(editor, client)) await step(pair);
    if (stage.problems.length > 0) throw new Error('something broke on the way');
  };
  try {
    await limited(work());
    note(name);
  } catch (error) {
    const words = [...stage.problems, ...stage.said.slice(-LAST_WORDS)].join('\n');
    note(`${name}, ${step?.name ?? 'opening'}`, `${error.stack}\n${words}`);
  } finally {
    await stage.close();
  }
}

/** Rejects after the limit; the rest of the test ends with its browser. */
function limited(work) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done in ${LIMIT_MS / 1000} s`)), LIMIT_MS);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}
