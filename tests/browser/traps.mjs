/**
 * The host's machine traps again and again on the same thing: who sent it is told, and everything else goes on. That is so in
 * each place that can have the host. How it is made to trap is in `lab/trapping.js`.
 */
import assert from 'node:assert/strict';
import { countLogged } from './ledger.mjs';
import { until } from './stage.mjs';
import { sharedOnly } from './host-skips.mjs';

const PAGE = 'lab/tab.html';
const MARK = 'TRAP';
const CODE = 'ERR_INPUT_QUARANTINED';

/** Workers that so many tabs start where the host is. */
const WORKERS = { 'shared-worker': () => 1, 'elected-tab': (tabs) => tabs, 'in-page': () => 0 };

/** Two hosts that crash and one that refuses what they crashed on, all in the same place. */
function assertThreeLives({ worker, life }, host, tabs) {
  assert.equal(life, 3);
  // A tab that has no host need not have started its worker yet.
  assert.ok(worker <= WORKERS[host](tabs), `${worker} workers`);
}

/** Numbers of causes, as `HostDoing` gives them. */
const TAB_MESSAGE = 0;
const SERVER_MESSAGE = 1;
const DOCUMENT = 2;

// ---- In the page ----

async function open({ ids, at, namespace, host }) {
  const run = { started: { worker: 0, life: 0 }, opened: {}, outcomes: {}, errors: [], docs: {} };
  window.run = run;
  new BroadcastChannel(`lab ${namespace}`).onmessage = ({ data }) => (run.started[data] += 1);
  // The host may be in this page, or in a worker.
  const channel = new BroadcastChannel(`lab ${namespace}`);
  window.lab.installTraps(at, () => channel.postMessage('life'));
  const { cause, mark, always } = at;
  const script = always ? '?always' : `?cause=${cause}&mark=${encodeURIComponent(mark)}`;
  const options = { ids: [], namespace, host, worker: 'trapping-worker', script };
  run.it = await window.lab.open(options);
  for (const id of ids) {
    const doc = (run.docs[id] = run.it.connection.get('demo', id));
    doc.on('error', (error) => run.errors.push(error.code));
    doc.subscribe((error) => (run.opened[id] = error ? error.code : 'ok'));
  }
}

/** A new document. */
const create = ({ id, marker }) =>
  window.run.docs[id].create({ list: [marker] }, (error) => {
    window.run.outcomes[marker] = error ? error.code : 'ok';
  });

const edit = ({ id, marker }) =>
  window.run.docs[id].submitOp([{ p: ['list', 0], li: marker }], (error) => {
    window.run.outcomes[marker] = error ? error.code : 'ok';
  });

const subscribePresence = (channel) =>
  window.run.it.connection.getPresence(channel).subscribe((error) => {
    window.run.opened[channel] = error ? error.code : 'ok';
  });

/** A new document, of a client of its own. */
async function createElsewhere({ id, marker }) {
  const options = { ids: [], durable: false, namespace: 'elsewhere', elected: true };
  const { connection } = await window.lab.open(options);
  const doc = connection.get('demo', id);
  await new Promise((resolve) => doc.create({ list: [marker] }, resolve));
}

const flush = () => window.lab.flush(window.run.it);

const look = (id) => {
  const { started, opened, outcomes, errors, docs } = window.run;
  return { started, opened, outcomes, errors, list: docs[id].data?.list };
};

// ---- The tests ----

function begin(page, host, cause, mark, ids) {
  const namespace = `traps ${cause} ${mark}`;
  return page.evaluate(open, { ids, at: { cause, mark }, namespace, host });
}

/** Waits until `condition` holds of what the page knows of the document, and gives that. */
async function sees(page, id, what, condition) {
  let seen;
  await until(
    what,
    async () => {
      seen = await page.evaluate(look, id);
      return condition(seen);
    },
    () => seen,
  );
  return seen;
}

const isOpen =
  (...ids) =>
  ({ opened }) =>
    ids.every((id) => opened[id]);

const has =
  (...markers) =>
  ({ list }) =>
    list && [...list].sort().join() === markers.sort().join();

async function message(stage, host) {
  const pages = [await stage.visit(PAGE), await stage.visit(PAGE)];
  const [first, second] = pages;
  for (const page of pages) {
    await begin(page, host, TAB_MESSAGE, MARK, ['a']);
    await sees(page, 'a', 'it is open', isOpen('a'));
  }
  await first.evaluate(create, { id: 'a', marker: MARK });
  const told = await sees(first, 'a', 'the callback comes', ({ outcomes }) => outcomes[MARK]);
  assert.equal(told.outcomes[MARK], CODE);
  assertThreeLives(told.started, host, 2);
  await first.evaluate(create, { id: 'a', marker: 'after' });
  await sees(second, 'a', 'the other tab has what came after', has('after'));
  await second.evaluate(edit, { id: 'a', marker: 'beside' });
  for (const page of pages) await sees(page, 'a', 'both show all', has('after', 'beside'));
  await until('the server has all', async () => {
    const { data } = await stage.snapshot('a');
    return data && has('after', 'beside')(data);
  });
  assertThreeLives((await first.evaluate(look, 'a')).started, host, 2);
  const counts = await countLogged(stage, ['a']);
  assert.deepEqual(Object.fromEntries(counts), { beside: 1 });
}

async function stored(stage, host) {
  const id = `${MARK}.doc`;
  const page = await stage.visit(PAGE);
  await begin(page, host, DOCUMENT, id, [id]);
  await page.evaluate(create, { id, marker: 'kept' });
  assert.equal(await page.evaluate(flush), null);
  await stage.reload(page);

  await begin(page, host, DOCUMENT, id, ['a', id]);
  const told = await sees(page, 'a', 'both are answered', isOpen('a', id));
  assert.deepEqual(told.opened, { a: 'ok', [id]: CODE });
  assertThreeLives(told.started, host, 1);
  await page.evaluate(create, { id: 'a', marker: 'fine' });
  await sees(page, 'a', 'the other document works', ({ outcomes }) => outcomes.fine === 'ok');
}

async function fromServer(stage, host) {
  const page = await stage.visit(PAGE);
  await begin(page, host, SERVER_MESSAGE, '"op","demo","a"', ['a', 'b']);
  await sees(page, 'a', 'both are open', isOpen('a', 'b'));
  // In a page of its own, whose host does not trap.
  const elsewhere = await stage.visit(PAGE);
  await elsewhere.evaluate(createElsewhere, { id: 'a', marker: 'theirs' });
  await sees(page, 'a', 'the document says so', ({ errors }) => errors.includes(CODE));
  await sees(page, 'a', 'it is loaded anew', has('theirs'));
  await page.evaluate(create, { id: 'b', marker: 'fine' });
  await sees(page, 'b', 'the other document works', ({ outcomes }) => outcomes.fine === 'ok');
}

/** A request that is another text each time it is sent: its callback id is a new one. */
async function presence(stage, host) {
  const pages = [await stage.visit(PAGE), await stage.visit(PAGE)];
  const [first, second] = pages;
  for (const page of pages) {
    await begin(page, host, TAB_MESSAGE, '"presence.subscribe"', ['a']);
    await sees(page, 'a', 'it is open', isOpen('a'));
  }
  await first.evaluate(subscribePresence, 'cursors');
  const told = await sees(first, 'a', 'the callback comes', ({ opened }) => opened.cursors);
  assert.equal(told.opened.cursors, CODE);
  await second.evaluate(create, { id: 'a', marker: 'beside' });
  await sees(second, 'a', 'the other tab works', ({ outcomes }) => outcomes.beside === 'ok');
  const { started } = await sees(first, 'a', 'this one, too', has('beside'));
  assertThreeLives(started, host, 2);
}

/** Nobody is to blame, so nothing can be refused: the hosts that come after it must not keep the machine busy. */
async function always(stage, host) {
  const page = await stage.visit(PAGE);
  await page.evaluate(open, { ids: ['a'], at: { always: true }, namespace: 'traps always', host });
  await until('the tab takes its time', () =>
    stage.said.some((line) => line.includes('the next one starts in')),
  );
  const { started } = await page.evaluate(look, 'a');
  assert.equal(started.worker, WORKERS[host](1));
  assert.ok(started.life <= 7, `${started.life} hosts were started before`);
}

/** What is made to trap, by name. */
const INPUTS = {
  'on a message of a tab': message,
  'on a request with a fresh callback id': presence,
  'on a document of the store': stored,
  'on a message of the server': fromServer,
  'on nothing that could be refused': always,
};

/** The host is where the suite has it, or, where that is a SharedWorker, also in each lesser place. */
const PLACES = [
  { host: undefined, where: '' },
  { host: 'elected-tab', where: " in a tab's worker", skip: sharedOnly('the suite has it there') },
  { host: 'in-page', where: ' in a page', skip: sharedOnly('the suite has it there, or better') },
];

export const trapTests = PLACES.flatMap(({ host, where, skip }) =>
  Object.entries(INPUTS).map(([input, run]) => ({
    name: `traps${where}: ${input}`,
    skip,
    run: (stage) => run(stage, host ?? stage.host),
  })),
);
