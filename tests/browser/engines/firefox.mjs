/**
 * Firefox over WebDriver BiDi, which it speaks by itself: no driver is needed. Only what the tests use is here.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import WebSocket from 'ws';
import { until } from '../../until.mjs';
import { TabWithHands, work } from './hands.mjs';
import { busiest, killFamily } from './processes.mjs';
import { decode, encode } from './values.mjs';

/** How long a page works to be told from others, in milliseconds. */
const BUSY_MS = 250;

const PROGRAM = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
const PREFERENCES = {
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'datareporting.policy.dataSubmissionEnabled': false,
  'toolkit.startup.max_resumed_crashes': -1,
  // Each tab has a process of its own, as in Chromium: only then can one crash alone.
  'dom.ipc.processCount.webIsolated': 32,
};

export class Firefox {
  canFreeze = true;

  /** @param {import('./engines.mjs').Launch} launch */
  static async launch({ profile, insecure, notes, wire, preferences: more }) {
    const browser = new Firefox();
    browser.said = notes.said;
    browser.workers = {
      urls: async () => [...wire.workers.values()],
      kill: () => wire.killWorkers(),
    };
    const preferences = { ...PREFERENCES, 'network.dns.localDomains': insecure, ...more };
    const lines = Object.entries(preferences).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
    );
    await writeFile(join(profile, 'user.js'), lines.join(''));
    const options = ['--headless', '--no-remote', '--remote-debugging-port=0'];
    browser.process = spawn(PROGRAM, [...options, '--profile', profile], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    browser.exited = once(browser.process, 'exit');
    browser.socket = new WebSocket(`${await browser.#address()}/session`);
    await once(browser.socket, 'open');
    browser.#listen();
    await browser.command('session.new', {
      capabilities: { alwaysMatch: { unhandledPromptBehavior: { default: 'ignore' } } },
    });
    await browser.command('session.subscribe', { events: ['browsingContext.userPromptOpened'] });
    return browser;
  }

  /** Where it listens, as it says when it has started. */
  async #address() {
    for await (const line of createInterface(this.process.stderr)) {
      const [, address] = /WebDriver BiDi listening on (ws:\S+)/.exec(line) ?? [];
      if (address) return address;
      this.said.push(line);
    }
    throw new Error(`Firefox ended: ${this.said.join('\n')}`);
  }

  #listen() {
    /** Commands without an answer. @type {Map<number, (answer: any) => void>} */
    this.waiting = new Map();
    /** Who waits for a dialog of a page. @type {Map<string, () => void>} */
    this.dialogs = new Map();
    this.number = 0;
    this.socket.on('message', (text) => {
      const answer = JSON.parse(text);
      if (answer.method === 'browsingContext.userPromptOpened')
        return this.dialogs.get(answer.params.context)?.();
      this.waiting.get(answer.id)?.(answer);
      this.waiting.delete(answer.id);
    });
    // It is killed with commands on their way.
    this.socket.on('error', () => this.socket.terminate());
  }

  /**
   * @param {string} method
   * @param {any} params
   */
  async command(method, params) {
    const id = (this.number += 1);
    const answered = new Promise((resolve) => this.waiting.set(id, resolve));
    this.socket.send(JSON.stringify({ id, method, params }));
    const { type, result, error, message } = await answered;
    if (type === 'error') throw new Error(`${method}: ${error}: ${message}`);
    return result;
  }

  async newTab() {
    // Windows, not tabs: all of them are shown, as each is where people look.
    const { context } = await this.command('browsingContext.create', { type: 'window' });
    const viewport = { width: 1200, height: 800 };
    await this.command('browsingContext.setViewport', { context, viewport });
    return new Tab(this, context);
  }

  /** The id of the process that has a page: the one that works when the page does. */
  processOf(tab) {
    return busiest(this.process.pid, () => tab.evaluate(work, BUSY_MS));
  }

  /** Kills all processes at once, as a power cut of the application would. */
  async kill() {
    killFamily(this.process.pid);
    await this.exited;
  }

  /** Writes what pages have put into `localStorage`, which a kill loses for some seconds. */
  async end() {
    // It may be gone before it has answered.
    await Promise.race([this.command('browser.close', {}), this.exited]);
    await this.exited;
    await this.close();
  }

  async close() {
    this.socket.terminate();
    await this.kill();
  }
}

class Tab extends TabWithHands {
  #browser;
  #context;
  /** Rejects when the page is gone, with which the answers of its commands may be, too. */
  #gone;
  #go;

  /**
   * @param {Firefox} browser
   * @param {string} context
   */
  constructor(browser, context) {
    super();
    this.#browser = browser;
    this.#context = context;
    this.#gone = new Promise((_, reject) => (this.#go = reject));
    this.#gone.catch(() => {});
  }

  #command(method, params) {
    const command = this.#browser.command(method, { context: this.#context, ...params });
    return Promise.race([command, this.#gone]);
  }

  /** What a function gives in the page. */
  async evaluate(fn, argument = undefined) {
    const { type, result, exceptionDetails } = await this.#command('script.callFunction', {
      functionDeclaration: `async (given) => {
        ${encode}
        ${decode}
        return encode(await (${fn})(decode(given)));
      }`,
      arguments: [{ type: 'string', value: encode(argument) }],
      awaitPromise: true,
      target: { context: this.#context },
    });
    if (type === 'exception') throw new Error(exceptionDetails.text);
    return decode(result.value);
  }

  async goto(url) {
    await this.#command('browsingContext.navigate', { url, wait: 'complete' });
  }

  async reload() {
    await this.#command('browsingContext.reload', { wait: 'complete' });
  }

  async close() {
    this.#go(new Error('the tab is closed'));
    await this.#browser.command('browsingContext.close', { context: this.#context });
  }

  /** The page gets no event any more, and its process is gone. */
  async crash() {
    const id = await this.#browser.processOf(this);
    process.kill(id, 'SIGKILL');
    await until('the process of the tab has ended', () => !existsSync(`/proc/${id}`));
    this.#go(new Error('the tab has crashed'));
  }

  /** The next dialog that the page shows. @returns {Promise<{accept: () => Promise<void>}>} */
  dialog() {
    const accept = () => this.#command('browsingContext.handleUserPrompt', { accept: true });
    return new Promise((resolve) =>
      this.#browser.dialogs.set(this.#context, () => resolve({ accept })),
    );
  }

  activate() {
    return this.#command('browsingContext.activate', {});
  }

  /** @param {any[]} actions */
  perform(actions) {
    return this.#command('input.performActions', { actions });
  }
}
