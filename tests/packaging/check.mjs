/** Opens an application in two tabs of Chromium, and sees whether they share a host and a socket. */

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { until } from '../until.mjs';

const PROGRAM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'];

export const launch = () => chromium.launch({ executablePath: PROGRAM, args: ARGS });

/**
 * @typedef {object} Case
 * @property {'own'} [workers] the application brings its own
 * @property {object} [options] of the connection
 * @property {string} [host] its kind and its place, if not the SharedWorker
 * @property {RegExp} [says] what the console says; else it has to be silent
 * @property {string[]} [codes] of the `error` event and of the call: there is no connection
 */

/**
 * @param {import('playwright-core').Browser} browser
 * @param {import('./server.mjs').DocServer} docs
 * @param {string} url of the page
 * @param {Case} wanted
 */
export async function check(browser, docs, url, wanted) {
  const context = await browser.newContext();
  const said = [];
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()))
      said.push(`${message.text()} (${message.location().url})`);
  });
  context.on('weberror', (error) => said.push(String(error.error().stack ?? error.error())));
  const before = docs.open;
  try {
    const address = `${url}/?${await query(docs, wanted)}`;
    if (wanted.codes) await refused(context, address, wanted.codes);
    else await shared(context, address, said, wanted, () => docs.open - before);
  } finally {
    await context.close();
    await until('the sockets are closed', () => docs.open === before);
  }
}

async function query(docs, { workers, options = {} }) {
  const said = { server: docs.url, doc: await docs.create(), options: JSON.stringify(options) };
  return new URLSearchParams({ ...said, ...(workers && { workers }) });
}

async function shared(context, address, said, { host, says }, sockets) {
  const a = await open(context, address, said);
  const b = await open(context, address, said);
  await a.evaluate(() => window.app.type('to Ada '));
  await sees(b, 'to Ada ');
  await b.evaluate(() => window.app.type('Dear Bob, '));
  await sees(a, 'Dear Bob, to Ada ');
  for (const tab of [a, b]) {
    const is = await tab.evaluate(() => ({
      ...window.app.connection.host,
      codes: window.app.codes,
    }));
    const place = `${is.kind}, ${is.place}`;
    assert.equal(place, host ?? 'shared-worker, shared-worker', is.reason);
    assert.deepEqual(is.codes, []);
  }
  assert.equal(sockets(), 1, 'the tabs have one socket');
  if (says) assert.match(said.join(' '), says);
  else assert.deepEqual(said, []);
}

/** The page lives, and the application is told. */
async function refused(context, address, codes) {
  const tab = await context.newPage();
  await tab.goto(address);
  const told = () => tab.evaluate(() => window.app?.codes);
  await until('the application is told', async () => (await told())?.length === codes.length, told);
  assert.deepEqual(await told(), codes);
  assert.equal(await tab.evaluate(() => window.app.connection.state), 'closed');
}

/**
 * A tab whose document is there. A development server may load a page again, when it has bundled what that imports.
 *
 * @param {import('playwright-core').BrowserContext} context
 * @param {string} address
 * @param {string[]} [said]
 */
export async function open(context, address, said = []) {
  const tab = await context.newPage();
  await tab.goto(address);
  const isThere = () =>
    tab.evaluate(() => document.body?.dataset.text !== undefined).catch(() => false);
  await until('the document is shown', isThere, () => said);
  return tab;
}

const sees = (tab, text) =>
  until(`the other tab shows ${text}`, async () => {
    return (await tab.evaluate(() => document.body.dataset.text)) === text;
  });
