/**
 * IndexedDB fails in the worker, at one call after the other and in every way that it can: what was said to be durable is, and every
 * callback comes. Each second call fails, the odd ones where a failure is over and the even ones where it stays; with `--rounds 2`
 * each does. The script is in `lab/failing-worker.js`.
 */
import assert from 'node:assert/strict';
import { countLogged } from './ledger.mjs';
import { until } from './stage.mjs';
import { MODULE } from './host-skips.mjs';

/**
 * Workers that fail at the same time, each at another call. A tab's own has three seconds to start, which WebKit needs for
 * several.
 */
const AT_ONCE = { 'shared-worker': 8, 'elected-tab': 3 };

/** Calls of a run, at most: it would not end otherwise. */
const MOST_CALLS = 400;

const PAGE = 'lab/tab.html';

// ---- In the page ----

/** Opens a document over a worker of its own for each run. */
function open(scripts) {
  window.runs = scripts.map(({ id, script, elected }) => {
    const run = { id, calls: 0, failures: [], outcomes: {}, flushed: {}, step: '' };
    if (script !== undefined) {
      new BroadcastChannel(`lab ${id}`).onmessage = ({ data }) => {
        run.calls = data.calls;
        if (data.fails) run.failures.push(data.name);
      };
    }
    const options = { ids: [id], namespace: id, worker: 'failing-worker', script, elected };
    run.opening = window.lab.open(options).then((connection) => {
      run.it = connection;
      run.doc = connection.docs[id];
      return connection.opened.then(() => (run.step = 'opened'));
    });
    return run;
  });
}

/**
 * Submits edits, without waiting for their callbacks. A store that opens when it had been given up has another history than
 * the memory before it: the document starts again, and for a moment there is nothing to edit.
 */
async function submit(names) {
  for (const run of window.runs) {
    while (!run.doc.data) await new Promise((resolve) => run.doc.once('load', resolve));
    for (const name of names) {
      const marker = `${run.id}.${name}`;
      run.outcomes[marker] = null;
      window.lab.submit(run.doc, marker).then((error) => {
        run.outcomes[marker] = error ? `${error.code}: ${error.message}` : 'acknowledged';
      });
    }
  }
}

/** Flushes, and notes for each of the edits whether the host says that they are kept. */
function flush(names) {
  for (const run of window.runs) {
    window.lab.flush(run.it).then((error) => {
      const answer = error ? `${error.code}: ${error.message}` : 'kept';
      for (const name of names) run.flushed[`${run.id}.${name}`] = answer;
    });
  }
}

const look = () =>
  window.runs.map(({ id, calls, failures, outcomes, flushed, step, it, doc }) => ({
    ...{ id, calls, failures, outcomes, flushed, step },
    storage: it && window.lab.storage(it),
    errors: it?.errors,
    shown: doc?.data && [...doc.data.list, ...Object.keys(doc.data.keys)],
  }));

// ---- One page full of runs ----

/** Waits until `condition` holds for each run, and gives the runs. */
async function all(page, what, condition) {
  let runs = [];
  const missing = () => runs.filter((run) => !condition(run));
  await until(
    what,
    async () => {
      runs = await page.evaluate(look);
      return missing().length === 0;
    },
    missing,
  );
  return runs;
}

const isAnswered = ({ outcomes }) => Object.values(outcomes).every(Boolean);
const isFlushed =
  (...names) =>
  ({ id, flushed }) =>
    names.every((name) => flushed[`${id}.${name}`]);

/** Online, offline, online, and offline again; what the runs know by then. */
async function work(stage, scripts) {
  const page = await stage.visit(PAGE);
  await page.evaluate(open, scripts);
  await all(page, 'each document is open', ({ step }) => step === 'opened');
  await page.evaluate(submit, ['a', 'b']);
  await all(page, 'the callbacks of what was written online came', isAnswered);
  await stage.post('cut');
  await page.evaluate(submit, ['c', 'd']);
  await page.evaluate(flush, ['c', 'd']);
  await all(page, 'the first flush was answered', isFlushed('c', 'd'));
  await stage.post('restore');
  await all(page, 'the callbacks of what was written offline came', isAnswered);
  await stage.post('cut');
  await page.evaluate(submit, ['e', 'f']);
  await page.evaluate(flush, ['e', 'f']);
  const runs = await all(page, 'the second flush was answered', isFlushed('e', 'f'));
  await page.crash();
  await page.close();
  return runs;
}

const kept = ({ flushed }) => Object.keys(flushed).filter((marker) => flushed[marker] === 'kept');

/** Another tab comes, with a host of its own that has a sound IndexedDB: still without the server, then with it. */
async function inherit(stage, runs) {
  const page = await stage.visit(PAGE);
  await page.evaluate(
    open,
    runs.map(({ id }) => ({ id, elected: true })),
  );
  const isShown = ({ id, shown }) =>
    kept(runs.find((run) => run.id === id)).every((marker) => shown?.includes(marker));
  await all(page, 'what was kept is shown offline', isShown);
  await stage.post('restore');
  await all(page, 'each document is open', ({ step }) => step === 'opened');
  await page.evaluate(submit, ['g']);
  await all(page, 'the callbacks of another tab came', isAnswered);
  for (const run of runs) await check(stage, page, run);
  await page.close();
}

async function check(stage, page, run) {
  const counts = await countLogged(stage, [run.id]);
  if (neverOpened(run)) {
    const arrived = [...counts].map(([marker, count]) => [marker.slice(run.id.length + 1), count]);
    const once = (names) => [...names].map((name) => [name, 1]);
    // What was written offline last is in memory, and goes with it. Everything else arrives, `g` from the other tab.
    const names = run.storage.durable ? 'abcdefg' : 'abcdg';
    assert.deepEqual(arrived.sort(), once(names), JSON.stringify(run));
  }
  for (const [marker, outcome] of Object.entries(run.outcomes)) {
    const count = counts.get(marker) ?? 0;
    const what = `${marker} is in the log ${count} times: ${JSON.stringify(run)}`;
    assert.ok(count <= 1, what);
    if (outcome === 'acknowledged' || run.flushed[marker] === 'kept') assert.equal(count, 1, what);
  }
  const { data } = await stage.snapshot(run.id);
  const { shown } = (await page.evaluate(look)).find(({ id }) => id === run.id);
  const logged = [...counts.keys()].sort();
  assert.deepEqual([...data.list, ...Object.keys(data.keys)].sort(), logged);
  assert.deepEqual(shown.sort(), logged);
}

/** Creates the documents: a host without room takes no op, so none that creates one. */
async function make(stage, scripts) {
  const page = await stage.visit(PAGE);
  await page.evaluate(async (ids) => {
    const maker = await window.lab.open({ ids, durable: false, elected: true });
    await maker.opened;
  }, ids(scripts));
  await page.close();
}

const ids = (runs) => runs.map(({ id }) => id);

// ---- A script, at each call in turn ----

/** A round has each so many calls fail; as many rounds have all. */
const STEP = 2;

const failing =
  (how, { forever = false, judge }) =>
  async (stage, { rounds = 1 }) => {
    let openings = 0;
    for (let round = 0; round < Number(rounds); round++) {
      const first = 1 + ((round + Number(forever)) % STEP);
      openings += await inTurn(stage, first, { how, forever, judge });
    }
    assert.ok(openings > 0, 'a store did not open');
  };

/** Gives how many stores did not open. */
async function inTurn(stage, first, { how, forever, judge }) {
  const length = AT_ONCE[stage.host];
  let reached = true;
  let next = first;
  let openings = 0;
  while (reached) {
    const scripts = Array.from({ length }, (_, offset) => {
      const call = next + offset * STEP;
      const script = `?how=${how}&fail=${call}${forever ? '&forever' : ''}`;
      return { id: `${how}-${call}`, script };
    });
    next += length * STEP;
    if (how === 'quota') await make(stage, scripts);
    const runs = await work(stage, scripts);
    for (const run of runs) {
      if (run.failures.includes('open') && !isSilent(run)) isAsOpened(how, forever, run);
      judge(run, how);
    }
    await inherit(stage, runs);
    openings += runs.filter(({ failures }) => failures.includes('open')).length;
    reached = runs.every(({ failures }) => failures.length > 0);
    assert.ok(next < MOST_CALLS, 'the runs come to an end');
  }
  assert.ok(next > first + length * STEP, 'more than one page of calls was reached');
  console.log(`    ${next} calls at most, from ${first}`);
  return openings;
}

/** The store opened and did not answer while it was restored. Whether it does is tried by opening it again. */
const isSilent = ({ storage }) => storage.code === 'ERR_STORAGE_TIMEOUT';

/** Ways in which the host does without the store until it answers, and another host then goes on with it. */
const GOES_BACK = ['silent', 'hang'];

/** What an op may end with that was on its way in the moment in which the hosts change: the author is told. */
const isHostLost = (outcome) => outcome?.startsWith('ERR_HOST_LOST: ');

/** A failure that is over: the host tries again, and nobody hears of it. */
function mends(run, how) {
  const { failures, outcomes } = run;
  if (failures.includes('open')) return;
  // One that is silent while it is restored is done without, until it answers and nothing is pending.
  if (isSilent(run)) return void isHonest(run);
  const what = JSON.stringify(run);
  assert.equal(isHonest(run), true, what);
  for (const outcome of Object.values(outcomes)) {
    const isTold = GOES_BACK.includes(how) && isHostLost(outcome);
    assert.ok(isTold || [null, 'acknowledged'].includes(outcome), what);
  }
}

/**
 * What the user has of a store that did not open, by the way in which it failed. Where that may be over it is tried again a few
 * times, at once; later not: whatever it holds would be older than what the host has done since.
 */
const IN_MEMORY = { mode: 'memory', durable: false, code: 'ERR_STORAGE' };
const SCRIPTED = { ...IN_MEMORY, reason: 'this is scripted' };
const NOT_ENDED = { ...IN_MEMORY, reason: 'initialize has not ended after 2000 ms' };
const OPENED = { quota: SCRIPTED, silent: NOT_ENDED, hang: NOT_ENDED };
/** In all other ways it opens when it is tried again, unless that fails, too. */
const OPENED_AGAIN = { mode: 'indexeddb', durable: true };

const neverOpened = ({ failures }) => failures[0] === 'open';

/** The storage says what it is and why, each flush says the same, and what was written online is acknowledged. */
function isAsOpened(how, forever, run) {
  const { id, storage, flushed, outcomes, errors, step } = run;
  const again = forever ? SCRIPTED : OPENED_AGAIN;
  const { mode, durable, code, reason } = OPENED[how] ?? again;
  const expected = durable ? { mode, durable } : { mode, durable, reason, code };
  const answer = durable ? 'kept' : `${code}: ${reason}`;
  assert.deepEqual({ storage, step, errors }, { storage: expected, step: 'opened', errors: [] });
  if (neverOpened(run)) {
    const each = (names, value) => names.map((name) => [`${id}.${name}`, value]);
    assert.deepEqual(Object.entries(flushed), each(['c', 'd', 'e', 'f'], answer));
    // The server is away when the last two are written.
    const ended = [...each(['a', 'b', 'c', 'd'], 'acknowledged'), ...each(['e', 'f'], null)];
    assert.deepEqual(Object.entries(outcomes), ended);
    return;
  }
  // It was open, failed later, and does not open again: ops of that time may be in it, and are given up with the reason.
  assert.equal(Object.values(flushed).at(-1), answer, JSON.stringify(run));
  for (const outcome of Object.values(outcomes)) {
    assert.ok([null, 'acknowledged', answer].includes(outcome), JSON.stringify(run));
  }
}

/** Failures without end: the host goes on in memory. */
function givesUp(run) {
  assert.equal(isHonest(run), run.failures.length === 0, JSON.stringify(run));
}

/** What is called durable is, what is not has a reason. Gives which it is. */
function isHonest(run) {
  const { flushed, storage } = run;
  const what = JSON.stringify(run);
  assert.equal(storage.mode, storage.durable ? 'indexeddb' : 'memory', what);
  assert.equal(Boolean(storage.reason), !storage.durable, what);
  assert.equal(Object.values(flushed).at(-1) === 'kept', storage.durable, what);
  return storage.durable;
}

/** No room, and nothing to evict: from then on ops are refused, with the reason. */
function isFull(run) {
  const what = JSON.stringify(run);
  const outcomes = Object.values(run.outcomes);
  const refused = outcomes.filter((outcome) => ![null, 'acknowledged'].includes(outcome));
  for (const outcome of refused) assert.match(outcome, /^ERR_STORAGE_FULL: this is scripted/, what);
  if (isHonest(run)) assert.equal(refused.length, 0, what);
  else assert.equal(run.storage.reason, 'this is scripted', what);
}

const LIMIT_MS = 240_000;
const test = (words, how, judge, forever = false) => ({
  name: `failing: every call of IndexedDB in turn ${words}`,
  limitMs: LIMIT_MS,
  skip: MODULE,
  run: failing(how, { forever, judge }),
});

/** @type {{name: string, limitMs: number, run: (stage: import('./stage.mjs').Stage) => Promise<void>}[]} */
export const failingTests = [
  test('throws', 'throw', mends),
  test('is rolled back', 'abort', mends),
  test('finds no room', 'quota', isFull),
  test('loses the database', 'close', mends),
  test('says nothing', 'silent', mends),
  test('never ends', 'hang', mends),
  test('throws, and all after it', 'throw', givesUp, true),
  test('is rolled back, and all after it', 'abort', givesUp, true),
  test('finds no room, and all after it', 'quota', isFull, true),
  test('never ends, and all after it', 'hang', givesUp, true),
];
