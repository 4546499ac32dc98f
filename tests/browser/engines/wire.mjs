/**
 * A WebSocket from every page and worker of a run to the tests, whatever the engine: it carries what goes wrong there, what is said
 * on the console and what a page reports, and it tells a worker to end. Where it closes, its page or worker is gone; or the page is
 * kept for the user's return, for which it must have no socket.
 *
 * Nothing of the package sees it: it has a server of its own, which is never cut.
 */
import { once } from 'node:events';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WebSocketServer } from 'ws';
import { until } from '../../until.mjs';

/** Runs first in each page and in each worker. */
function connect(address) {
  const { stringify } = JSON;
  const early = [];
  let socket;
  const open = () => {
    socket = new WebSocket(address);
    socket.onopen = () => early.splice(0).forEach((text) => socket.send(text));
  };
  open();
  const say = (...words) => {
    const text = stringify(words);
    if (socket.readyState === socket.OPEN) socket.send(text);
    else early.push(text);
  };
  addEventListener('pagehide', ({ persisted }) => persisted && socket.close());
  addEventListener('pageshow', ({ persisted }) => persisted && open());

  const where = 'document' in globalThis ? 'page' : 'worker';
  if ('onconnect' in globalThis) {
    say('shared worker', location.href);
    socket.onmessage = () => globalThis.close();
  }

  const stackOf = (error) => `${error?.message ?? error}\n${error?.stack ?? ''}`;
  addEventListener('error', ({ error, message }) =>
    say('problem', `in a ${where}: ${error ? stackOf(error) : message}`),
  );
  addEventListener('unhandledrejection', ({ reason }) =>
    say('problem', `in a ${where}: ${stackOf(reason)}`),
  );
  for (const level of ['debug', 'info', 'log', 'warn', 'error']) {
    const { [level]: original } = console;
    console[level] = (...words) => {
      say('said', `${where}, ${level}: ${words.join(' ')}`);
      original.apply(console, words);
    };
  }
  globalThis.report = (...words) => say('report', ...words);
}

/** The end of the test's side. */
export class Wire {
  /** Whoever is told: the stage of the test that runs. @type {{hear: (kind: string, ...words: any[]) => void} | undefined} */
  listener;
  /** The shared workers that live, with their addresses. @type {Map<import('ws').WebSocket, string>} */
  workers = new Map();

  static async open() {
    const wire = new Wire();
    wire.server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(wire.server, 'listening');
    wire.server.on('connection', (socket) => wire.#take(socket));
    const { port } = /** @type {import('node:net').AddressInfo} */ (wire.server.address());
    /** What a page or worker runs to be connected. */
    wire.script = `(${connect})('ws://127.0.0.1:${port}');\n`;
    return wire;
  }

  #take(socket) {
    socket.on('message', (text) => {
      const [kind, ...words] = JSON.parse(text);
      if (kind === 'shared worker') this.workers.set(socket, words[0]);
      else this.listener?.hear(kind, ...words);
    });
    socket.on('close', () => this.workers.delete(socket));
    // A process that is killed leaves its socket in the middle of a frame.
    socket.on('error', () => socket.terminate());
  }

  /** Ends all shared workers, and waits until they are gone. */
  async killWorkers() {
    // One that has just begun may not have called yet.
    await until('there is a worker', () => this.workers.size);
    const gone = [...this.workers.keys()].map((socket) => once(socket, 'close'));
    for (const socket of this.workers.keys()) socket.send('die');
    await Promise.all(gone);
  }

  /** Puts the script into built pages and workers: the workers' files have `worker` in their names. */
  async instrument(directory) {
    for (const entry of await readdir(directory, { recursive: true })) {
      const file = join(directory, entry);
      const isPage = entry.endsWith('.html');
      if (!isPage && !/worker[^/]*\.js$/.test(entry)) continue;
      const text = await readFile(file, 'utf8');
      await writeFile(file, isPage ? this.inPage(text) : this.script + text);
    }
  }

  /** A page with the script in it. */
  inPage(html) {
    // A function, since the script may have a `$`.
    return html.replace(/<!doctype html>/i, (start) => `${start}<script>${this.script}</script>`);
  }

  async close() {
    for (const socket of this.server.clients) socket.terminate();
    this.server.close();
    await once(this.server, 'close');
  }
}
