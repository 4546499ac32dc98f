/**
 * Firefox over WebDriver BiDi, which it speaks by itself: no driver is needed. Only what the tests use is here.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import WebSocket from 'ws';
import { startServer } from '../../examples/server.mjs';
import { until } from './stage.mjs';

const PROGRAM = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
const PREFERENCES = {
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'datareporting.policy.dataSubmissionEnabled': false,
  'toolkit.startup.max_resumed_crashes': -1,
};

/** A demo server, and a Firefox with a fresh profile. */
export class FirefoxStage {
  /** @param {string} pages the built demos */
  static async open(pages) {
    const stage = new FirefoxStage();
    stage.problems = [];
    stage.said = [];
    stage.server = await startServer({ port: 0, root: pages });
    stage.profile = await mkdtemp(join(tmpdir(), 'sharedb-proxy-firefox-'));
    await stage.launch();
    return stage;
  }

  async launch() {
    const lines = Object.entries(PREFERENCES).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
    );
    await writeFile(join(this.profile, 'user.js'), lines.join(''));
    const options = ['--headless', '--no-remote', '--remote-debugging-port=0'];
    this.process = spawn(PROGRAM, [...options, '--profile', this.profile], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.exited = once(this.process, 'exit');
    this.socket = new WebSocket(`${await this.address()}/session`);
    await once(this.socket, 'open');
    /** Commands without an answer. @type {Map<number, (answer: any) => void>} */
    this.waiting = new Map();
    this.number = 0;
    this.socket.on('message', (text) => {
      const answer = JSON.parse(text);
      if (answer.method === 'log.entryAdded')
        return this.said.push(`${answer.params.level}: ${answer.params.text}`);
      this.waiting.get(answer.id)?.(answer);
      this.waiting.delete(answer.id);
    });
    await this.command('session.new', { capabilities: {} });
    await this.command('session.subscribe', { events: ['log.entryAdded'] });
  }

  /** Where it listens, as it says when it has started. */
  async address() {
    for await (const line of createInterface(this.process.stderr)) {
      const [, address] = /WebDriver BiDi listening on (ws:\S+)/.exec(line) ?? [];
      if (address) return address;
      this.said.push(line);
    }
    throw new Error(`Firefox ended: ${this.said.join('\n')}`);
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

  /**
   * Opens a page in a new tab, and waits until it is ready.
   *
   * @param {string} path with its query
   */
  async visit(path) {
    const { context } = await this.command('browsingContext.create', { type: 'tab' });
    const url = `${this.server.url}/${path}`;
    await this.command('browsingContext.navigate', { context, url, wait: 'complete' });
    const page = {
      evaluate: (fn, argument) => this.evaluate(context, fn, argument),
      close: () => this.command('browsingContext.close', { context }),
    };
    await until('the page is ready', () => page.evaluate(() => 'ready' in document.body.dataset));
    return page;
  }

  /**
   * What a function gives in a page; both that and the argument as JSON.
   *
   * @param {string} context
   * @param {(argument: any) => any} fn
   * @param {any} [argument]
   */
  async evaluate(context, fn, argument = null) {
    const { type, result, exceptionDetails } = await this.command('script.callFunction', {
      functionDeclaration: `async (text) => JSON.stringify(await (${fn})(JSON.parse(text)))`,
      arguments: [{ type: 'string', value: JSON.stringify(argument) }],
      awaitPromise: true,
      target: { context },
    });
    if (type === 'exception') throw new Error(exceptionDetails.text);
    return result.value === undefined ? undefined : JSON.parse(result.value);
  }

  async close() {
    this.socket?.terminate();
    this.process?.kill('SIGKILL');
    await this.exited;
    await this.server?.close();
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
