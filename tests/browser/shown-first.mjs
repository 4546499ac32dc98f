/**
 * Rounds in which the worker dies within 5 ms after a tab has shown an edit of another tab: that edit may be in no store. The
 * author may die with the worker, or the tab that has seen it, or the next worker, too. Nothing that a page has shown is ever
 * taken back on it, and every edit is in the server's log once.
 */
import { Chaos, TABS, rounds, spread } from './chaos.mjs';
import { KILLED } from './host-skips.mjs';
import { until } from '../until.mjs';

/** So many rounds, if nothing else is said. */
const ROUNDS = 8;
/** The worker dies so many milliseconds after the edit was shown, at most. */
const WITHIN_MS = 5;
/** The name of the worker, over which it is told to die. */
const WORKER = 'lab lab';

/** What happens with the death of the worker. Those that are here twice are twice as likely. */
const LOSSES = ['nothing', 'nothing', 'author', 'witness', 'another', 'nextWorker', 'nextWorker'];

class ShownFirst extends Chaos {
  constructor(stage, options) {
    super(stage, options);
    this.query += '&worker=dying-worker&watched';
    /** Milliseconds from the sight of an edit to the death. @type {number[]} */
    this.delays = [];
  }

  async run() {
    this.round += 1;
    this.loss = this.pick(LOSSES);
    this.plan = [this.loss];
    const witness = this.pick(TABS);
    const [author, another] = TABS.filter((name) => name !== witness);
    await this.arm(witness, this.random() < 0.5 ? 0 : this.between(1, WITHIN_MS - 1));
    if (this.loss === 'nextWorker') await this.arm(another, 0);
    // In some rounds one edits, in some all do.
    const authors = this.random() < 0.5 ? [author] : TABS;
    this.submitted = Promise.all(authors.map((tab) => this.edit(tab)));
    this.delays.push(await this.killed(witness));
    const goes = { author, witness, another }[this.loss];
    if (goes) await this.crashTab(goes);
    this.done[this.loss] = (this.done[this.loss] ?? 0) + 1;
    await this.submitted;
    await this.openMissing();
    await this.settled();
    await this.check();
    for (const page of this.tabs.values()) await page.evaluate(() => window.demo.disarm?.());
  }

  /** The tab kills the worker so many milliseconds after it shows an edit of another one. */
  arm(name, delay) {
    const page = this.tabs.get(name);
    const kill = (args) => window.lab.killOnSight(window.demo, ...args);
    return page.evaluate(kill, [WORKER, delay]);
  }

  /** Waits until the tab has killed the worker. Gives how long after the sight of an edit. */
  async killed(name) {
    const page = this.tabs.get(name);
    let after;
    await until('the worker is killed', async () => {
      after = await page.evaluate(() => window.demo.killed);
      return after !== null;
    });
    return after;
  }

  summary() {
    const late = this.delays.filter((delay) => delay > WITHIN_MS).length;
    return `${super.summary()}; killed after ${spread(this.delays)}, ${late} of ${this.delays.length} later than ${WITHIN_MS} ms`;
  }
}

/** @type {typeof import('./chaos.mjs').chaosTests} */
export const shownFirstTests = [true, false].map((durable) => ({
  name: `shown first: the worker dies before the write, ${durable ? 'durable store' : 'log of a session'}`,
  limitMs: 1_500_000,
  skip: KILLED,
  run: rounds(ShownFirst, { durable, rounds: ROUNDS }),
}));
