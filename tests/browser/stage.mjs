/**
 * What one browser test stands on: a demo server and a browser of its own, with a fresh profile, and the pages in it.
 *
 * Nothing here waits for a time to pass: everything waits for a condition, and says which one did not come.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { chromium } from 'playwright-core';
import { startServer } from '../../examples/server.mjs';
import { watchWorkers } from './workers.mjs';

/** How long a condition may take, in milliseconds; a loaded machine needs far less. */
const LIMIT_MS = 15_000;
/** How long a page works to be told from others, in milliseconds. */
const BUSY_MS = 300;
/** How often a condition is looked at, in milliseconds. */
const LOOK_MS = 15;

const PROGRAM = process.env.CHROMIUM ?? '/usr/bin/chromium';
/** A host whose pages are not secure: a browser trusts its own machine's address, but not a name for it. */
const INSECURE = 'app.test';
const ARGUMENTS = [
  `--host-resolver-rules=MAP ${INSECURE} 127.0.0.1`,
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Waits until `condition` gives something true, and returns that.
 *
 * @template T
 * @param {string} what the condition in words, for the failure
 * @param {() => T | Promise<T>} condition
 * @param {() => any} [seen] what to show in the failure
 * @returns {Promise<NonNullable<T>>}
 */
export async function until(what, condition, seen = () => undefined) {
  const end = Date.now() + LIMIT_MS;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (Date.now() > end) {
      const last = JSON.stringify(await seen())?.slice(0, 2000) ?? '';
      throw new Error(`waited ${LIMIT_MS / 1000} s in vain until ${what} ${last}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** A process of the browser may have ended with another one. */
function kill(id) {
  try {
    process.kill(id, 'SIGKILL');
  } catch {
    // It has.
  }
}

/** A server, a browser, and the tabs in it. */
export class Stage {
  /** @param {string} pages the built demos */
  static async open(pages) {
    const stage = new Stage();
    /** What must not happen, and did. */
    stage.problems = [];
    /** What pages and workers said, for the report of a failure. */
    stage.said = [];
    stage.server = await startServer({ port: 0, root: pages });
    stage.profile = await mkdtemp(join(tmpdir(), 'sharedb-proxy-browser-'));
    await stage.launch();
    return stage;
  }

  /** Starts the browser on the profile: what it stored before is there. */
  async launch() {
    this.context = await chromium.launchPersistentContext(this.profile, {
      executablePath: PROGRAM,
      args: ARGUMENTS,
      viewport: { width: 1200, height: 800 },
    });
    this.workers = await watchWorkers(this.context.browser(), this);
  }

  /** Kills the browser, all of its processes at once, as a power cut of the application would. */
  async killBrowser() {
    const session = await this.context.browser().newBrowserCDPSession();
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    const closed = new Promise((resolve) => this.context.once('close', resolve));
    for (const { id } of processInfo) kill(id);
    await closed;
  }

  /** The id of the process that has a page: the one that works when the page does. */
  async processOf(page) {
    const session = await this.context.browser().newBrowserCDPSession();
    const times = async () => {
      const { processInfo } = await session.send('SystemInfo.getProcessInfo');
      const pages = processInfo.filter(({ type }) => type === 'renderer');
      return new Map(pages.map(({ id, cpuTime }) => [id, cpuTime]));
    };
    const before = await times();
    await page.evaluate((ms) => {
      const end = performance.now() + ms;
      while (performance.now() < end);
    }, BUSY_MS);
    const grown = [...(await times())].map(([id, time]) => [time - (before.get(id) ?? 0), id]);
    await session.detach();
    return grown.sort(([a], [b]) => b - a)[0][1];
  }

  async close() {
    await this.context?.close();
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

  // ---- Tabs ----

  /**
   * Opens a demo in a new tab, and waits until its document is shown.
   *
   * @param {'text' | 'counter' | 'board' | 'rich'} demo
   * @param {string} id the document
   * @param {string} [query] more of the address
   */
  tab(demo, id, query = '') {
    return this.visit(`${demo}.html?doc=${id}${query}`);
  }

  /**
   * Opens a page in a new tab, and waits until it is ready.
   *
   * @param {string} path with its query
   * @param {{secure?: boolean}} [options] whether the browser is to trust the page's origin
   */
  async visit(path, { secure = true } = {}) {
    const page = await this.context.newPage();
    page.on('console', (line) =>
      this.said.push(`page, ${line.type()}: ${line.text().split('\n', 1)}`),
    );
    page.on('pageerror', (error) => this.problems.push(`in a page: ${error.stack}`));
    const { url, port } = this.server;
    await page.goto(`${secure ? url : `http://${INSECURE}:${port}`}/${path}`);
    await page.locator('body[data-ready]').waitFor({ state: 'attached', timeout: LIMIT_MS });
    return page;
  }

  /** Reloads a page, and waits until it is ready again. */
  async reload(page) {
    await page.reload();
    await page.locator('body[data-ready]').waitFor({ state: 'attached', timeout: LIMIT_MS });
  }

  /** Crashes a tab: the page gets no event any more, and its process is gone. */
  async crash(page) {
    const crashed = page.waitForEvent('crash');
    // The navigation never ends: the tab is dead.
    page.goto('chrome://crash').catch(() => {});
    await crashed;
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
   * @param {import('playwright-core').Page[]} pages
   * @param {string} id
   */
  async agreed(pages, id) {
    let seen;
    return until(
      `${pages.length} tabs agree with the server on ${id}`,
      async () => {
        const states = await Promise.all(pages.map((page) => page.evaluate(stateOf, id)));
        const server = await this.snapshot(id);
        seen = { server, states };
        const same = ({ version, data, idle }) =>
          idle && version === server.v && isDeepStrictEqual(data, server.data);
        return states.every(same) && server;
      },
      () => seen,
    );
  }

  /** @param {import('playwright-core').Page} page */
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
