/**
 * What one browser test stands on: a demo server and a browser of its own, with a fresh profile, and the pages in it.
 *
 * Nothing here waits for a time to pass: everything waits for a condition, and says which one did not come.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { startServer } from '../../examples/server.mjs';
import { until } from '../until.mjs';
import { differences } from './difference.mjs';

export { until };

/** @typedef {import('./engines/chromium.mjs').Tab} Tab */

/** A host whose pages are not secure: a browser trusts its own machine's address, but not a name for it. */
const INSECURE = 'app.test';

/** A server, a browser, and the tabs in it. */
export class Stage {
  /**
   * @param {string} pages the built demos
   * @param {{launch: (launch: import('./engines/engines.mjs').Launch) => Promise<any>}} engine
   * @param {import('./engines/wire.mjs').Wire} wire
   * @param {string} [host] where the host is to be, for pages whose address does not say so
   */
  static async open(pages, engine, wire, host = 'shared-worker') {
    const stage = new Stage();
    stage.host = host;
    /** What must not happen, and did. */
    stage.problems = [];
    /** What pages and workers said, for the report of a failure. */
    stage.said = [];
    /** Takes what pages report. @type {(...words: any[]) => void} */
    stage.onReport = () => {};
    stage.engine = engine;
    stage.wire = wire;
    wire.listener = stage;
    stage.server = await startServer({ port: 0, root: pages });
    stage.profile = await mkdtemp(join(tmpdir(), 'sharedb-proxy-browser-'));
    await stage.launch();
    return stage;
  }

  /** Takes what comes over the wire. */
  hear(kind, ...words) {
    if (kind === 'problem') this.problems.push(words[0]);
    else if (kind === 'said') this.said.push(words[0]);
    else this.onReport(...words);
  }

  /** Starts the browser on the profile: what it stored before is there. */
  async launch() {
    const { profile, wire } = this;
    this.browser = await this.engine.launch({ profile, insecure: INSECURE, notes: this, wire });
    this.workers = this.browser.workers;
  }

  /** Ends the browser, as its user does. */
  async endBrowser() {
    const { browser } = this;
    this.browser = undefined;
    await browser.end();
  }

  /** Kills the browser, all of its processes at once, as a power cut of the application would. */
  async killBrowser() {
    const { browser } = this;
    this.browser = undefined;
    await browser.kill();
  }

  async close() {
    await this.browser?.close();
    await this.server?.close();
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }

  // ---- The server ----

  /**
   * @param {string} request
   * @param {RequestInit} [options]
   */
  async admin(request, options) {
    const response = await fetch(`${this.server.url}/admin/${request}`, options);
    return response.json();
  }

  /** @param {string} request */
  post(request, body = undefined) {
    return this.admin(request, { method: 'POST', body });
  }

  /** @param {string} id */
  snapshot(id) {
    return this.admin(`snapshot?d=${id}`);
  }

  async sockets() {
    return (await this.admin('status')).sockets;
  }

  /** The host of a page is where this run has it, in the one SharedWorker or in none. */
  async hasOneHost(page) {
    const { kind, place } = await page.evaluate(() => window.demo.connection.host);
    const expected = {
      'shared-worker': ['shared-worker', 'shared-worker', 1],
      'elected-tab': ['elected-tab', 'dedicated-worker', 0],
      'in-page': ['elected-tab', 'page', 0],
    }[this.host];
    const workers = await this.workers.urls();
    assert.deepEqual([kind, place, workers.length], expected);
  }

  // ---- Tabs ----

  /**
   * Opens a demo in a new tab, and waits until its document is shown. Nothing of it outlives its tabs, unless `query` says so.
   *
   * @param {'text' | 'counter' | 'board' | 'rich' | 'till'} demo
   * @param {string} id the document
   * @param {string} [query] more of the address
   */
  tab(demo, id, query = '') {
    const store = query.includes('store=') ? '' : '&store=session';
    return this.visit(`${demo}.html?doc=${id}${store}${query}`);
  }

  /**
   * Opens a page in a new tab, and waits until it is ready.
   *
   * @param {string} path with its query
   * @param {{secure?: boolean}} [options] whether the browser is to trust the page's origin
   */
  async visit(path, { secure = true } = {}) {
    const tab = await this.browser.newTab();
    const { url, port } = this.server;
    const address = new URL(path, secure ? url : `http://${INSECURE}:${port}`);
    if (!address.searchParams.has('host')) address.searchParams.set('host', this.host);
    await tab.goto(address.href);
    await this.ready(tab);
    return tab;
  }

  /** Waits until the page of a tab is ready. */
  async ready(tab) {
    await until('the page is ready', () =>
      tab.evaluate(() => document.querySelector('body[data-ready]') !== null),
    );
  }

  /** Reloads a page, and waits until it is ready again. */
  async reload(tab) {
    await tab.reload();
    await this.ready(tab);
  }

  /** Opens the same document in `count` tabs, one after the other. */
  async tabs(count, demo, id, query = '') {
    const pages = [];
    while (pages.length < count) pages.push(await this.tab(demo, id, query));
    return pages;
  }

  /**
   * Waits until all tabs are idle and hold exactly what the server holds, and returns that.
   *
   * @param {Tab[]} pages
   * @param {string} id
   */
  async agreed(pages, id) {
    let seen;
    return until(
      `${pages.length} tabs agree with the server on ${id}`,
      async () => {
        const states = await Promise.all(pages.map((page) => page.evaluate(stateOf, id)));
        const server = await this.snapshot(id);
        seen = () => [
          `server: version ${server.v}`,
          ...states.map(({ data, ...rest }) => ({
            ...rest,
            differs: differences(server.data, data),
          })),
        ];
        const same = ({ version, data, idle }) =>
          idle && version === server.v && isDeepStrictEqual(data, server.data);
        return states.every(same) && server;
      },
      () => seen?.(),
    );
  }

  /** @param {Tab} page */
  status(page) {
    return page.evaluate(
      () =>
        new Promise((resolve, reject) => {
          window.demo.connection.hostStatus((error, status) =>
            error ? reject(error) : resolve(status),
          );
        }),
    );
  }

  /** What the host of a page of the lab says of its store. */
  storage(page) {
    return until('the host says what its store is', () =>
      page.evaluate(() => window.lab.storage(window.demo)),
    );
  }

  /** Waits until the host of `page` reports these figures. */
  async reports(page, figures) {
    let seen;
    return until(
      `the host reports ${JSON.stringify(figures)}`,
      async () => {
        seen = await this.status(page);
        return Object.entries(figures).every(([name, value]) => seen[name] === value);
      },
      () => seen,
    );
  }

  /** Waits until the tab's connection is in `state`. */
  inState(page, state) {
    return until(`a tab is ${state}`, () =>
      page.evaluate((wanted) => window.demo.connection.state === wanted, state),
    );
  }

  /** Takes the server away, not the pages that come from it, and waits until the tabs know. */
  async cut(pages) {
    await this.post('cut');
    await Promise.all(pages.map((page) => this.isDown(page)));
  }

  isDown(page) {
    return until('a tab knows that the server is away', () =>
      page.evaluate(() => window.demo.connection.state !== 'connected'),
    );
  }
}

/** In the page: what the tab holds of a document; the demos have one only. */
function stateOf(id) {
  const { connection, docs } = window.demo;
  const doc = docs ? docs[id] : window.demo.doc;
  const idle = connection.state === 'connected' && !doc.hasPending();
  return { idle, state: connection.state, version: doc.version, data: doc.data };
}
