/**
 * Chromium over Playwright, and over its own protocol (CDP) for what pages' tools do not reach: the shared workers, the processes.
 * `Tab` says what the tests do with a page; the tabs of the other engines do the same.
 */
import { chromium } from 'playwright-core';
import { LIMIT_MS } from '../../until.mjs';
import { watchWorkers } from './chromium-workers.mjs';
import { work } from './hands.mjs';

/** How long a page works to be told from others, in milliseconds. */
const BUSY_MS = 300;

const PROGRAM = process.env.CHROMIUM ?? '/usr/bin/chromium';

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  // A page that a test has answered itself has no address, and would not reach the server on this machine.
  '--disable-features=LocalNetworkAccessChecks',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A process of the browser may have ended with another one. */
function kill(id) {
  try {
    process.kill(id, 'SIGKILL');
  } catch {
    // It has.
  }
}

export class Chromium {
  /** Whether the process of a page may stand still while others are driven. */
  canFreeze = true;

  /** @param {import('./engines.mjs').Launch} launch */
  static async launch({ profile, insecure, notes }) {
    const browser = new Chromium();
    browser.context = await chromium.launchPersistentContext(profile, {
      executablePath: PROGRAM,
      args: [`--host-resolver-rules=MAP ${insecure} 127.0.0.1`, ...ARGUMENTS],
      // Playwright turns it off.
      ignoreDefaultArgs: ['--disable-back-forward-cache'],
      viewport: { width: 1200, height: 800 },
    });
    browser.workers = await watchWorkers(browser.context.browser(), notes);
    return browser;
  }

  async newTab() {
    return new Tab(await this.context.newPage());
  }

  /** Kills all processes at once, as a power cut of the application would. */
  async kill() {
    const session = await this.context.browser().newBrowserCDPSession();
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    const closed = new Promise((resolve) => this.context.once('close', resolve));
    for (const { id } of processInfo) kill(id);
    await closed;
  }

  /**
   * Stops all processes, as a machine that sleeps does.
   *
   * @returns {Promise<() => void>} lets them go on
   */
  async pause() {
    const session = await this.context.browser().newBrowserCDPSession();
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    const ids = processInfo.map(({ id }) => id);
    for (const id of ids) process.kill(id, 'SIGSTOP');
    return () => ids.forEach((id) => process.kill(id, 'SIGCONT'));
  }

  /** The id of the process that has a page: the one that works when the page does. */
  async processOf(tab) {
    const session = await this.context.browser().newBrowserCDPSession();
    const times = async () => {
      const { processInfo } = await session.send('SystemInfo.getProcessInfo');
      const pages = processInfo.filter(({ type }) => type === 'renderer');
      return new Map(pages.map(({ id, cpuTime }) => [id, cpuTime]));
    };
    const before = await times();
    await tab.evaluate(work, BUSY_MS);
    const grown = [...(await times())].map(([id, time]) => [time - (before.get(id) ?? 0), id]);
    await session.detach();
    return grown.sort(([a], [b]) => b - a)[0][1];
  }

  end() {
    return this.close();
  }

  async close() {
    await this.context.close();
  }
}

/** A page, as the tests use it. */
export class Tab {
  /** @param {import('playwright-core').Page} page */
  constructor(page) {
    /** Playwright's own, for tests that only this engine can run. */
    this.page = page;
  }

  /** What a function gives in the page. */
  evaluate(fn, argument = undefined) {
    return this.page.evaluate(fn, argument);
  }

  async goto(url) {
    await this.page.goto(url);
  }

  async reload() {
    await this.page.reload();
  }

  close() {
    return this.page.close();
  }

  /** The page gets no event any more, and its process is gone. */
  async crash() {
    const crashed = this.page.waitForEvent('crash');
    // The navigation never ends: the tab is dead.
    this.page.goto('chrome://crash').catch(() => {});
    await crashed;
  }

  /** The next dialog that the page shows. @returns {Promise<{accept: () => Promise<void>}>} */
  dialog() {
    return new Promise((resolve) => this.page.once('dialog', resolve));
  }

  /** Talks to the browser about this page. */
  cdp() {
    return this.page.context().newCDPSession(this.page);
  }

  // ---- What is in the page ----

  value(selector) {
    return this.page.locator(selector).inputValue();
  }

  text(selector) {
    return this.page.locator(selector).textContent();
  }

  count(selector) {
    return this.page.locator(selector).count();
  }

  // ---- Keys ----

  /** Types a text, with milliseconds between the keys. */
  type(text, { delay = 0 } = {}) {
    return this.page.keyboard.type(text, { delay });
  }

  /** Presses a key, or several at once: `Control+z`; where it is to be pressed has the focus, or gets it. */
  press(keys, selector = undefined) {
    if (selector) return this.page.locator(selector).press(keys);
    return this.page.keyboard.press(keys);
  }

  /** Puts in a text at once, as from a clipboard. */
  insert(text) {
    return this.page.keyboard.insertText(text);
  }

  /** Replaces the text of a field. */
  fill(selector, text) {
    return this.page.locator(selector).fill(text);
  }

  // ---- The pointer ----

  click(selector) {
    return this.page.locator(selector).click({ timeout: LIMIT_MS });
  }

  hover(selector) {
    return this.page.locator(selector).hover({ timeout: LIMIT_MS });
  }

  /**
   * Drags what is at `from` to `to`; both are as far from the corner of the element as they say.
   *
   * @param {string} selector
   * @param {[number, number]} from
   * @param {[number, number]} to
   */
  async drag(selector, [x, y], to) {
    const { mouse } = this.page;
    await this.page.locator(selector).hover({ position: { x, y } });
    const box = await this.page.locator(selector).boundingBox();
    await mouse.down();
    await mouse.move(box.x + to[0], box.y + to[1], { steps: 5 });
    await mouse.up();
  }
}
