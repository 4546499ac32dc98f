/** Chromium with the bench page: tabs that share a profile, and what the browser's processes use. */

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const PROGRAM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
];

export class Browser {
  static async launch() {
    if (!existsSync(PROGRAM)) throw new Error(`no browser at ${PROGRAM}`);
    const browser = new Browser();
    // A server, so that its process is known: memory is counted from there.
    browser.process = await chromium.launchServer({ executablePath: PROGRAM, args: ARGS });
    browser.chromium = await chromium.connect(browser.process.wsEndpoint());
    return browser;
  }

  /**
   * Opens tabs of one client in a profile of their own, connected.
   *
   * @param {import('./server.mjs').Server} server
   * @param {string} client `ours` or `stock`
   * @param {number} count
   * @param {string} [query] more of the page's address
   */
  async open(server, client, count, query = '') {
    const context = await this.chromium.newContext();
    const tabs = await openTabs(context, server.pageUrl(client) + query, count);
    return { context, tabs, close: () => context.close() };
  }

  /** More tabs in a profile that is open. */
  more(context, server, client, count) {
    return openTabs(context, server.pageUrl(client), count);
  }

  /** Forces garbage collection in the tabs and in the shared workers, several times over. */
  async collectGarbage(context, tabs) {
    for (const tab of tabs) {
      const session = await context.newCDPSession(tab);
      for (let i = 0; i < 2; i++) await session.send('HeapProfiler.collectGarbage');
      await session.detach();
    }
    const browser = await this.chromium.newBrowserCDPSession();
    const { targetInfos } = await browser.send('Target.getTargets', { filter: [{}] });
    for (const { targetId } of targetInfos.filter(({ type }) => type === 'shared_worker')) {
      await collectInWorker(browser, targetId);
    }
    await browser.detach();
  }

  /** Bytes of memory of all processes of the browser, what they share counted once. */
  memory() {
    return processes(this.process.process().pid).reduce((sum, pid) => sum + proportional(pid), 0);
  }

  /** Milliseconds of processor time that the browser's processes have used. */
  processorTime() {
    return processes(this.process.process().pid).reduce((sum, pid) => sum + ran(pid), 0) / 1e6;
  }

  async close() {
    await this.chromium.close();
    await this.process.close();
  }
}

/**
 * A tab in a browser of its own whose profile is on the disk, so what is durable is; the profiles of `Browser` are in memory.
 *
 * @param {string} url
 */
export async function openOnDisk(url) {
  const directory = await mkdtemp(join(tmpdir(), 'sharedb-proxy-bench-'));
  const context = await launchProfile(directory);
  const close = async () => {
    await context.close();
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const [tab] = await openTabs(context, url, 1);
    return { tab, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Chromium on a profile of its own. */
export function launchProfile(directory) {
  return chromium.launchPersistentContext(directory, { executablePath: PROGRAM, args: ARGS });
}

async function openTabs(context, url, count) {
  const tabs = [];
  for (let i = 0; i < count; i++) {
    const tab = await context.newPage();
    tab.on('pageerror', (error) => console.error(`${url}, tab ${i}:`, error));
    await tab.goto(url);
    await tab.waitForFunction(() => globalThis.bench?.isConnected());
    tabs.push(tab);
  }
  return tabs;
}

async function collectInWorker(browser, targetId) {
  const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: false });
  for (let id = 1; id <= 2; id++) {
    const answered = new Promise((resolve) => {
      browser.on('Target.receivedMessageFromTarget', function receive({ message }) {
        const answer = JSON.parse(message);
        if (answer.id !== id) return;
        if (answer.error)
          console.error('no garbage collection in the worker:', answer.error.message);
        browser.off('Target.receivedMessageFromTarget', receive);
        resolve();
      });
    });
    const message = JSON.stringify({ id, method: 'HeapProfiler.collectGarbage' });
    await browser.send('Target.sendMessageToTarget', { sessionId, message });
    await answered;
  }
  await browser.send('Target.detachFromTarget', { sessionId });
}

/** A process and all that it started. */
function processes(root) {
  const children = new Map();
  for (const name of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      // The program's name is in parentheses and may contain anything; the parent is two words after it.
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // It ended meanwhile.
    }
  }
  const all = [];
  const queue = [root];
  while (queue.length) {
    const pid = queue.pop();
    all.push(pid);
    queue.push(...(children.get(pid) ?? []));
  }
  return all;
}

/** Nanoseconds that the threads of a process have run. */
function ran(pid) {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const time = (thread) =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
    return threads.reduce((sum, thread) => sum + time(thread), 0);
  } catch {
    return 0;
  }
}

/** Bytes of a process's proportional set: its own pages, and its part of those it shares. */
function proportional(pid) {
  try {
    const [, kilobytes] = /^Pss:\s+(\d+) kB/m.exec(
      readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'),
    );
    return Number(kilobytes) * 1024;
  } catch {
    return 0;
  }
}
