/**
 * Rounds of edits in three tabs, while at random the worker is killed, a tab crashes, the only tab reloads, the server restarts
 * or is away. Without a worker it is the tab with the host that crashes or is frozen, and how long it takes until another one has the host
 * is measured. After each round every edit is counted in the server's log, and all tabs hold what the server holds.
 *
 * What is done when comes from a seed; how far the browser has come by then does not, so a seed makes a failure likely again,
 * not certain.
 */
import assert from 'node:assert/strict';
import { fractionsFrom } from '../random.mjs';
import { KILLED } from './host-skips.mjs';
import { Ledger, countLogged } from './ledger.mjs';
import { until } from './stage.mjs';

const DOCS = ['chaos-a', 'chaos-b'];
export const TABS = ['A', 'B', 'C'];

/** So many edits a tab makes in a round, and milliseconds between them: at least, and at most. */
const EDITS = [3, 10];
const PAUSE_MS = [1, 12];
/** Reports of the pages, after which the next thing happens: at most. A round has about 80. */
const MOST_REPORTS = 40;

/** What may happen in a round; each is one turn of {@link Chaos}. Those that are here twice are twice as likely. */
const TURNS = [
  ...['killWorker', 'killWorker', 'crashTab', 'crashTab'],
  ...['restartServer', 'cutServer', 'cutServer', 'restoreServer'],
];

/** The same where one of the tabs has the host. */
const ELECTED_TURNS = [
  ...['crashHost', 'crashHost', 'crashTab'],
  ...['restartServer', 'cutServer', 'cutServer', 'restoreServer'],
];

const FREEZES = ['freezeHost', 'freezeHost'];

/** How long a page may take to say whether it has the host: its process may be the one that stands still. */
const ANSWER_MS = 1_000;

/** How long a host may stand still before the others have another one, where none of them asks it anything. */
const NOTICED_MS = 30_000;

/** Whether a page says that its tab has the host. */
const says = (page) =>
  Promise.race([
    page.evaluate(() => window.lab.hasHost(window.demo)).catch(() => false),
    new Promise((resolve) => setTimeout(resolve, ANSWER_MS, false)),
  ]);

export class Chaos {
  /** @param {import('./stage.mjs').Stage} stage */
  constructor(stage, { seed, durable, elected }) {
    this.stage = stage;
    this.durable = durable;
    // Where all pages have their host in a page, so do these.
    const host = stage.host === 'in-page' ? stage.host : elected && 'elected-tab';
    this.query = `${durable ? '' : '&store=session'}${host ? `&host=${host}` : ''}`;
    const turns = host ? ELECTED_TURNS : TURNS;
    this.turns = host && stage.browser.canFreeze ? [...turns, ...FREEZES] : turns;
    /** Milliseconds without a host, by what happened to the last one. @type {Record<string, number[]>} */
    this.gaps = {};
    this.ledger = new Ledger();
    this.random = fractionsFrom(seed);
    /** By name, the tabs that live. */
    this.tabs = new Map();
    /** What the tabs of this round call their edits, and those of them whose tab died. */
    this.names = new Map();
    this.dead = new Set();
    this.named = 0;
    this.done = {};
    this.round = 0;
  }

  /** An integer from `least` to `most`. */
  between(least, most) {
    return least + Math.floor(this.random() * (most - least + 1));
  }

  pick(list) {
    return list[this.between(0, list.length - 1)];
  }

  async open(name) {
    await this.haveSource(this.tabs.size === 0);
    const query = DOCS.map((id) => `doc=${id}`).join('&');
    this.tabs.set(name, await this.stage.visit(`lab/tab.html?${query}${this.query}`));
  }

  /** A tab that is alone can open documents from a store that is durable, or from the server. */
  async haveSource(alone) {
    if (alone && !this.durable) await this.restoreServer();
  }

  async openMissing() {
    for (const name of TABS) if (!this.tabs.has(name)) await this.open(name);
  }

  /** Its edits need not have reached anybody from now on. */
  lose(tab) {
    for (const [name, of] of this.names) if (of === tab) this.dead.add(name);
    this.names = new Map([...this.names].filter(([, of]) => of !== tab));
  }

  // ---- A round ----

  async run() {
    this.round += 1;
    this.begin = this.ledger.count;
    const plan = Array.from({ length: this.between(0, 4) }, () => this.pick(this.turns));
    const alone = this.random() < 0.2;
    if (alone) plan.splice(this.between(0, plan.length), 0, 'reloadTab');
    this.plan = plan;
    if (alone) await this.closeOthers();
    this.submitted = Promise.all([...this.tabs.keys()].map((tab) => this.edit(tab)));
    for (const turn of plan) {
      await this.someReports();
      await this[turn]();
      this.done[turn] = (this.done[turn] ?? 0) + 1;
    }
    await this.submitted;
    await this.restoreServer();
    await this.openMissing();
    await this.settled();
    await this.check();
  }

  /** A tab starts to edit; what it calls its edits is of this round. */
  edit(tab) {
    const name = `${tab}${(this.named += 1)}`;
    this.names.set(name, tab);
    const edits = [name, this.between(...EDITS), this.between(...PAUSE_MS)];
    const page = this.tabs.get(tab);
    const begun = page.evaluate((args) => window.lab.edit(window.demo, ...args), edits);
    return begun.catch((error) => {
      if (!this.dead.has(name)) throw error;
    });
  }

  /** Waits until the pages are some way further, or have submitted everything. */
  async someReports() {
    const enough = this.ledger.count + this.between(0, MOST_REPORTS);
    let over = false;
    const end = () => (over = true);
    this.submitted.then(end, end);
    await until('pages have reported', () => over || this.ledger.count >= enough);
  }

  async closeOthers() {
    const stays = this.pick(TABS);
    for (const name of TABS) {
      if (name === stays) continue;
      await this.tabs.get(name).close();
      this.tabs.delete(name);
    }
  }

  // ---- What may happen ----

  /** Where there is one: Firefox may give tabs a worker that is ending, and then one of them has the host. */
  async killWorker() {
    const { workers } = this.stage;
    const hostOf = (page) =>
      page.evaluate(() => window.demo?.connection.host?.kind).catch(() => '');
    const look = async () => {
      if ((await workers.urls()).length > 0) return 'shared-worker';
      const kinds = await Promise.all([...this.tabs.values()].map(hostOf));
      return kinds.find((kind) => kind === 'elected-tab');
    };
    if ((await until('there is a host', look)) === 'shared-worker') await workers.kill();
  }

  restartServer() {
    return this.stage.post('restart');
  }

  /** Until it is restored; at the end of a round it is. */
  cutServer() {
    return this.stage.post('cut');
  }

  restoreServer() {
    return this.stage.post('restore');
  }

  async crashTab(name = this.pick([...this.tabs.keys()])) {
    const page = this.tabs.get(name);
    this.lose(name);
    await page.crash();
    await page.close();
    this.tabs.delete(name);
    await this.open(name);
  }

  /** The name of the tab that has the host, when it is none that is frozen. */
  hostTab(frozen = undefined) {
    const look = async () => {
      for (const [name, page] of this.tabs) if (name !== frozen && (await says(page))) return name;
      return undefined;
    };
    return until('a tab has the host', look, undefined, NOTICED_MS);
  }

  async crashHost() {
    const name = await this.hostTab();
    const page = this.tabs.get(name);
    this.lose(name);
    const begin = performance.now();
    await page.crash();
    await page.close();
    this.tabs.delete(name);
    if (this.tabs.size) await this.measureGap('crash', begin);
    await this.open(name);
  }

  /** Waits until another tab than the one that had the host has it. */
  async measureGap(what, begin, name = undefined) {
    await this.hostTab(name);
    (this.gaps[what] ??= []).push(performance.now() - begin);
  }

  /**
   * The browser freezes the page, as it does with one that is hidden for long, until another one has the host: an event
   * says so, by which the page gives the host up, and then the process stands still. That may be faster than the end of the
   * page's worker: the lock is then taken from it, once its silence is noticed.
   */
  async freezeHost() {
    const name = await this.hostTab();
    if (this.tabs.size === 1) return;
    const page = this.tabs.get(name);
    const renderer = await this.stage.browser.processOf(page);
    const begin = performance.now();
    await page.evaluate(() => document.dispatchEvent(new Event('freeze')));
    process.kill(renderer, 'SIGSTOP');
    try {
      await this.measureGap('freeze', begin, name);
    } finally {
      process.kill(renderer, 'SIGCONT');
    }
    await page.evaluate(() => document.dispatchEvent(new Event('resume')));
  }

  /** There is only one now. */
  async reloadTab() {
    const [[name, page]] = this.tabs;
    this.lose(name);
    await this.haveSource(true);
    await this.stage.reload(page);
    this.submitted = Promise.all([this.submitted, this.edit(name)]);
  }

  // ---- The end of a round ----

  async settled() {
    const { ledger, names, stage } = this;
    const unanswered = () =>
      [...names.keys()].flatMap((name) =>
        ledger.of(name).filter(([, { acknowledged, failed }]) => !acknowledged && !failed),
      );
    await until('all callbacks came', () => unanswered().length === 0, unanswered);
    const pages = [...this.tabs.values()];
    await stage.reports(pages[0], { tabs: TABS.length, sockets: 1, pendingOps: 0 });
    this.snapshots = [];
    for (const id of DOCS) this.snapshots.push(await stage.agreed(pages, id));
  }

  async check() {
    const { ledger, names, stage } = this;
    assert.deepEqual(ledger.errors, [], 'connections report no error');
    assert.deepEqual(stage.problems, []);
    const counts = await countLogged(stage, DOCS);
    for (const [marker, count] of counts) {
      // The last reports of a tab that dies may die with it.
      const isKnown = ledger.edits.has(marker) || this.dead.has(marker.split('.')[0]);
      assert.ok(isKnown, `${marker} was submitted`);
      assert.equal(count, 1, `${marker} is in the log ${count} times`);
    }
    for (const [marker, edit] of ledger.edits) {
      const count = counts.get(marker) ?? 0;
      const what = `${marker} is in the log ${count} times: ${JSON.stringify(edit)}`;
      assert.equal(edit.failed, 0, what);
      assert.ok(edit.acknowledged <= 1, what);
      assert.equal(edit.takenBack, 0, what);
      // What was shown to anybody was durable.
      if (edit.acknowledged || (this.durable && edit.seen)) assert.equal(count, 1, what);
    }
    for (const name of names.keys()) {
      for (const [marker, edit] of ledger.of(name)) {
        assert.equal(edit.acknowledged, 1, `the callback of ${marker} came`);
      }
    }
    const shown = this.snapshots.flatMap(({ data }) => [...data.list, ...Object.keys(data.keys)]);
    assert.deepEqual(shown.sort(), [...counts.keys()].sort(), 'the documents show what is logged');
    this.names = new Map();
  }

  /** What the rounds had in them. */
  summary() {
    const edits = [...this.ledger.edits.values()];
    const lost = edits.filter(({ acknowledged }) => !acknowledged).length;
    const turns = Object.entries(this.done).map(([turn, count]) => `${turn} ${count}`);
    const gaps = Object.entries(this.gaps).map(
      ([what, times]) => `; after a ${what} no host for ${spread(times)}`,
    );
    return `${edits.length} edits, ${lost} of them of tabs that died; ${turns.sort().join(', ')}${gaps.join('')}`;
  }
}

/** The middle of these times and the longest but one in a hundred, in milliseconds. */
export function spread(times) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (part) => Math.round(sorted[Math.ceil(part * sorted.length) - 1]);
  return `${at(0.5)} ms (p50), ${at(0.99)} ms (p99)`;
}

/**
 * @param {typeof Chaos} Rounds
 * @param {{durable: boolean, elected?: boolean, rounds: number}} defaults
 */
export const rounds = (Rounds, defaults) => async (stage, options) => {
  const seed = Number(options.seed ?? Math.floor(Math.random() * 2 ** 31));
  const count = Number(options.rounds ?? defaults.rounds);
  console.log(`    seed ${seed}, ${count} rounds`);
  const run = new Rounds(stage, { ...defaults, seed });
  run.ledger.listen(stage);
  await run.openMissing();
  while (run.round < count) {
    try {
      await run.run();
    } catch (error) {
      const where = `seed ${seed}, round ${run.round}: ${run.plan?.join(', ') || 'nothing happens'}`;
      throw new Error(`${where}\n${error.message}`, { cause: error });
    }
  }
  console.log(`    ${run.summary()}`);
};

/** @type {{name: string, limitMs: number, run: (stage: import('./stage.mjs').Stage, options: any) => Promise<void>}[]} */
export const chaosTests = [
  {
    name: 'chaos: three tabs and a durable store',
    limitMs: 600_000,
    skip: KILLED,
    run: rounds(Chaos, { durable: true, rounds: 100 }),
  },
  {
    name: 'chaos: three tabs, one of which has the host',
    limitMs: 600_000,
    run: rounds(Chaos, { durable: true, elected: true, rounds: 40 }),
  },
  {
    name: 'chaos: three tabs and the log of a session',
    limitMs: 200_000,
    skip: KILLED,
    run: rounds(Chaos, { durable: false, rounds: 20 }),
  },
];
