/**
 * A tab's part of the connection ends and begins again while the worker and another tab go on: its machine traps, or the
 * application closes the connection and reconnects.
 */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { until } from './stage.mjs';
import { LEAVES_HOST } from './host-skips.mjs';

const PAGE = 'lab/tab.html';

// ---- In the page ----

async function open(namespace) {
  const it = await window.lab.open({ ids: ['d'], durable: false, namespace });
  await it.opened;
  const { connection } = it;
  const run = (window.run = { it, doc: it.docs.d, states: [], ends: {}, told: [] });
  connection.on('state', (state) => run.states.push(state));
  for (const event of ['load', 'error', 'create', 'del'])
    run.doc.on(event, (error) => run.told.push(error?.code ?? event));
  run.presence = connection.getPresence('cursors');
  run.presence.subscribe();
  run.query = connection.createSubscribeQuery('demo', {});
  await new Promise((resolve) => run.query.once('ready', resolve));
}

const submit = (marker) => {
  const { doc, ends } = window.run;
  ends[marker] = [];
  doc.submitOp([{ p: ['list', 0], li: marker }], (error) =>
    ends[marker].push(error ? error.code : 'ok'),
  );
};

const show = (value) => window.run.presence.create('mine').submit(value);

/** The machine traps, with one op posted and one not. */
const crash = () => {
  const { it, doc } = window.run;
  const { connection } = it;
  window.submit('sent');
  doc.flush();
  window.submit('unsent');
  const trap = {
    get length() {
      throw new WebAssembly.RuntimeError('unreachable');
    },
  };
  connection._run(() => connection._core.get('c', trap));
};

const close = () => window.run.it.connection.close();
const reconnect = () => window.run.it.connection.reconnect();

/** One task, in which the worker cannot say a word. */
const closeBehindAnOp = () => {
  window.submit('before');
  window.run.it.connection.close();
  window.submit('after');
};

const look = () => {
  const { it, doc, states, ends, told, presence, query } = window.run;
  return {
    state: it.connection.state,
    states,
    ends,
    told,
    list: doc.data && [...doc.data.list].sort(),
    version: doc.version,
    pending: doc.hasPending(),
    subscribed: doc.subscribed,
    shown: presence.remotePresences,
    queried: query.results?.length,
  };
};

// ---- The tests ----

async function twoTabs(stage, namespace) {
  const pages = [await stage.visit(PAGE), await stage.visit(PAGE)];
  for (const page of pages) {
    await page.evaluate((source) => void (window.submit = (0, eval)(source)), `${submit}`);
    await page.evaluate(open, namespace);
  }
  return pages;
}

/** Waits until the page shows that, among other things. */
async function shows(page, wanted) {
  let seen;
  await until(
    `a tab shows ${JSON.stringify(wanted)}`,
    async () => {
      seen = await page.evaluate(look);
      return Object.entries(wanted).every(([name, value]) => isDeepStrictEqual(seen[name], value));
    },
    () => seen,
  );
  return seen;
}

async function crashed(stage) {
  const [page, other] = await twoTabs(stage, 'crashed');
  await page.evaluate(show, 1);
  await other.evaluate(submit, 'first');
  for (const one of [page, other]) await shows(one, { list: ['first'], pending: false });
  await shows(other, { shown: { mine: 1 } });
  const { queried } = await page.evaluate(look);
  await page.evaluate(crash);
  const list = ['first', 'sent'];
  const seen = await shows(page, {
    list,
    state: 'connected',
    pending: false,
    subscribed: true,
    queried,
  });
  assert.deepEqual(seen.ends, { sent: ['ok'], unsent: ['ERR_CLIENT_CRASHED'] });
  assert.deepEqual(seen.states, ['disconnected', 'connected']);
  const { told, states } = await shows(other, { list, shown: { mine: 1 } });
  assert.deepEqual([told, states], [[], []], 'the other tab notices nothing');
  await other.evaluate(submit, 'last');
  await shows(page, { list: ['first', 'last', 'sent'] });
}

async function reconnected(stage) {
  const [page, other] = await twoTabs(stage, 'reconnected');
  await page.evaluate(show, 1);
  await shows(other, { shown: { mine: 1 } });
  const { queried } = await page.evaluate(look);
  await page.evaluate(close);
  await shows(page, { states: ['closed'] });
  await shows(other, { shown: {} });
  await other.evaluate(submit, 'meanwhile');
  await shows(other, { pending: false });
  assert.deepEqual((await page.evaluate(look)).list, []);

  await page.evaluate(reconnect);
  await shows(page, { list: ['meanwhile'], state: 'connected', subscribed: true, queried });
  await shows(other, { shown: { mine: 1 } });
  await page.evaluate(closeBehindAnOp);
  await shows(page, { state: 'closed' });
  await page.evaluate(reconnect);
  const list = ['after', 'before', 'meanwhile'];
  const seen = await shows(page, { list, state: 'connected', pending: false });
  assert.deepEqual(seen.ends, { before: ['ok'], after: ['ok'] });
  const { told, states } = await shows(other, { list, pending: false });
  assert.deepEqual([told, states], [[], []], 'the other tab notices nothing');
}

export const tabLifeTests = [
  { name: 'a tab: its machine traps', run: crashed },
  { name: 'a tab: closes its connection, and reconnects', skip: LEAVES_HOST, run: reconnected },
];
