/**
 * WebKitGTK over W3C WebDriver: its small browser under a display of its own. Only what the tests use is here.
 *
 * That browser keeps nothing on disk when it is driven, and ends when the process of a page does.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { until } from '../../until.mjs';
import { TabWithHands, work } from './hands.mjs';
import { busiest, killFamily } from './processes.mjs';
import { decode, encode } from './values.mjs';

const DRIVER = process.env.WEBKIT ?? '/usr/bin/WebKitWebDriver';
const BROWSER = '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser';

const WINDOW = { width: 1200, height: 900 };
const SCREEN = '1600x1200x24';

/** How long a page works to be told from others, in milliseconds. */
const BUSY_MS = 250;
/** How often a page is asked for the result of a function that is not through, in milliseconds. */
const ASK_MS = 5;

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a display; gives its process and its name. */
async function openDisplay() {
  const process = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', SCREEN, '-nolisten', 'tcp'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const input = /** @type {import('node:stream').Readable} */ (process.stdio[3]);
  for await (const number of createInterface(input)) return { process, name: `:${number}` };
  throw new Error('there is no display: Xvfb ended');
}

export class WebKit {
  /** Whether the process of a page may stand still: the driver waits for each command's answer. */
  canFreeze = false;
  /** The last command: they go one after the other, since they go to the tab that was chosen last. */
  #last = Promise.resolve();
  /** The tab that was chosen last. */
  #chosen;

  /** @param {import('./engines.mjs').Launch} launch */
  static async launch({ notes, wire }) {
    const browser = new WebKit();
    browser.workers = {
      urls: async () => [...wire.workers.values()],
      kill: () => wire.killWorkers(),
    };
    browser.display = await openDisplay();
    const port = await freePort();
    browser.process = spawn(DRIVER, [`--port=${port}`], {
      env: { ...process.env, DISPLAY: browser.display.name, NO_AT_BRIDGE: '1' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    browser.exited = once(browser.process, 'exit');
    createInterface(browser.process.stderr).on('line', (line) => notes.said.push(line));
    browser.root = `http://127.0.0.1:${port}`;
    await until('the driver listens', () => fetch(`${browser.root}/status`).catch(() => null));
    const options = { binary: BROWSER, args: ['--automation'] };
    const capabilities = { alwaysMatch: { 'webkitgtk:browserOptions': options } };
    const { sessionId } = await browser.#command('POST', '/session', { capabilities });
    browser.root += `/session/${sessionId}`;
    /** The window that was there from the start: others are asked for in it, so it stays. */
    browser.first = await browser.#command('GET', '/window');
    return browser;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {any} [body]
   */
  async #command(method, path, body) {
    const response = await fetch(`${this.root}${path}`, { method, body: JSON.stringify(body) });
    const { value } = /** @type {any} */ (await response.json());
    if (!response.ok) throw new Error(`${path}: ${value.error}: ${value.message}`);
    return value;
  }

  /** Waits for its turn. */
  #inTurn(work) {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  async newTab() {
    // Windows, not tabs: the pointer does nothing in a page that is not shown.
    const window = { type: 'window' };
    const { handle } = await this.command(this.first, 'POST', '/window/new', window);
    await this.command(handle, 'POST', '/window/rect', WINDOW);
    return new Tab(this, handle);
  }

  /** A command to a tab. */
  command(handle, method, path, body = undefined) {
    return this.#inTurn(async () => {
      if (this.#chosen !== handle) {
        this.#chosen = undefined;
        await this.#command('POST', '/window', { handle });
        this.#chosen = handle;
      }
      return this.#command(method, path, body);
    });
  }

  /** The id of the process that has a page: the one that works when the page does. */
  processOf(tab) {
    return busiest(this.process.pid, () => tab.evaluate(work, BUSY_MS));
  }

  end() {
    return this.close();
  }

  /** Kills all processes at once, as a power cut of the application would. */
  kill() {
    return this.close();
  }

  async close() {
    killFamily(this.process.pid);
    await this.exited;
    killFamily(this.display.process.pid);
  }
}

/** In the page: begins to run a function; gives its result, or a number by which that is to be asked for. */
const RUN = `
${encode}
${decode}
const outcome = (value) => ({ value: encode(value) });
const failure = (error) => ({ error: String(error?.message ?? error) + '\\n' + (error?.stack ?? '') });
try {
  const result = (0, eval)('(' + arguments[0] + ')')(decode(arguments[1]));
  if (typeof result?.then !== 'function') return outcome(result);
  const all = (window['tests: outcomes'] ??= []);
  const number = all.push(null) - 1;
  result.then(outcome).then(
    (value) => (all[number] = value),
    (error) => (all[number] = failure(error)),
  );
  return { number };
} catch (error) {
  return failure(error);
}`;

/** In the page: the result, if it is there. */
const ASK = `
const all = window['tests: outcomes'];
return all ? all[arguments[0]] : { error: 'the page was left' };`;

class Tab extends TabWithHands {
  /** What is selected in a window may be lost, but for its end, when another window takes the focus. */
  losesSelections = true;
  #browser;
  #handle;
  #isClosed = false;

  /**
   * @param {WebKit} browser
   * @param {string} handle
   */
  constructor(browser, handle) {
    super();
    this.#browser = browser;
    this.#handle = handle;
  }

  async #command(method, path, body = undefined) {
    if (this.#isClosed) throw new Error('the tab is closed');
    return this.#browser.command(this.#handle, method, path, body);
  }

  /** What a function gives in the page. */
  async evaluate(fn, argument = undefined) {
    const run = (script, ...args) => this.#command('POST', '/execute/sync', { script, args });
    let outcome = await run(RUN, String(fn), encode(argument));
    const { number } = outcome;
    while (!outcome || 'number' in outcome) {
      await new Promise((resolve) => setTimeout(resolve, ASK_MS));
      outcome = await run(ASK, number);
    }
    if (outcome.error) throw new Error(outcome.error);
    return decode(outcome.value);
  }

  async goto(url) {
    await this.#command('POST', '/url', { url });
  }

  async reload() {
    await this.#command('POST', '/refresh', {});
  }

  async close() {
    if (this.#isClosed) return;
    // At once: nothing that is asked in the meantime may be asked of a window that is gone.
    const closed = this.#command('DELETE', '/window');
    this.#isClosed = true;
    await closed;
  }

  /** Closes the tab, which is as near as this browser comes to it. */
  crash() {
    return this.close();
  }

  /** @param {any[]} actions */
  perform(actions) {
    return this.#command('POST', '/actions', { actions });
  }
}
