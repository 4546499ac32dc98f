/** The flight recorder of a host: what it keeps, what it leaves out, and how a tab gets it. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { HostCore } from '../../js-shim/src/cores/host-core.js';
import { INPUTS, Recorder, TIMED } from '../../js-shim/src/host/recorder.js';
import { Backend, call, connect, ours, settle } from './clients.mjs';
import { OneHost } from './one-host.mjs';

/** Methods and getters of the machine that change nothing, and the two that the recorder treats by itself. */
const READS = [
  'free',
  '__destroy_into_raw',
  'doing',
  'mayResign',
  'wantsIdle',
  'waitsForTabs',
  'state',
  'id',
  'seq',
];

const SECRET = 'the user wrote this';

/** One document that two tabs of a host have edited. */
async function edited() {
  const backend = new Backend();
  const host = new OneHost(backend);
  const tabs = [await host.tab('one'), await host.tab('two')];
  const docs = tabs.map((tab) => tab.get('letters', 'd'));
  await call(docs[0], 'create', { text: SECRET });
  for (const doc of docs) await call(doc, 'subscribe');
  for (const doc of docs) doc.submitOp([{ p: ['text', 0], si: SECRET }]);
  await settle();
  return { host, tabs, docs };
}

const lastLife = (trace) => JSON.parse(trace).lives.at(-1);

describe('flight recorder', () => {
  it('knows every method of the machine', () => {
    const known = [...INPUTS, ...Object.keys(TIMED), ...READS, 'setNow', 'poll', 'constructor'];
    assert.deepEqual(Object.getOwnPropertyNames(HostCore.prototype).sort(), known.sort());
  });

  it('and so does the replay', () => {
    const file = new URL('../src/replay/inputs.rs', import.meta.url);
    const [body] = readFileSync(file, 'utf8').match(/\bfn feed\(.*?^\}/ms);
    const methods = [...body.matchAll(/^ {8}"(\w+)" =>/gm)].map(([, name]) => name);
    assert.deepEqual(methods.sort(), [...INPUTS, ...Object.keys(TIMED)].sort());
  });

  it('is asked for by any tab, and has what went in and came out', async () => {
    const { tabs } = await edited();
    const trace = await tabs[1].exportTrace();
    const { format, version, redacted } = JSON.parse(trace);
    assert.deepEqual([format, version, redacted], ['sharedb-proxy trace', 1, false]);
    const { complete, first, options, entries } = lastLife(trace);
    assert.deepEqual([complete, first, options.epoch, options.private], [true, 0, 1, false]);
    const kinds = entries.map(([kind, at, name]) =>
      kind === 'in' ? name : kind === 'out' ? at : kind,
    );
    for (const kind of ['connect', 'handleTab', 'socketMessage', 'toTab', 'send', 'poll', 'type'])
      assert.ok(kinds.includes(kind), kind);
    // It ends where it was asked for.
    assert.deepEqual(kinds.slice(-2), ['debug', 'poll']);
    assert.ok(trace.includes(SECRET));
    const again = lastLife(await tabs[0].exportTrace());
    assert.deepEqual(again.entries.slice(0, entries.length), entries);
  });

  it('leaves out what a user wrote, where that is asked for', async () => {
    const { tabs, docs } = await edited();
    tabs[0].getPresence('cursors').create('p').submit({ at: SECRET });
    tabs[0].createFetchQuery('letters', { text: SECRET });
    await settle();
    const slip = tabs[0].exportTrace({ redacted: true });
    await assert.rejects(slip, { code: 'ERR_OPTION_UNKNOWN' });
    const trace = await tabs[0].exportTrace({ redact: true });
    assert.ok(JSON.parse(trace).redacted);
    assert.ok(!trace.includes('wrote'));
    assert.ok(trace.includes('"redacted":"string"'));
    // What happened to which document can still be read.
    assert.match(trace, /"doc\.submitOp":\{"collection":"letters","id":"d","revision":/);
    docs[0].destroy();
  });

  it('is bounded, and says that something is missing', () => {
    const recorder = new Recorder();
    recorder.begin([1, false, true]);
    for (let input = 0; input < 10_000; input += 1) recorder.input(['handleTab', 0, 't', 'text']);
    let { complete, first, entries } = lastLife(recorder.export({}));
    assert.ok(!complete && entries.length >= 3_500 && entries.length <= 4_500, entries.length);
    assert.equal(first + entries.length, 10_000);
    for (let input = 0; input < 100; input += 1)
      recorder.input(['socketMessage', 0, 'x'.repeat(100_000)]);
    ({ entries } = lastLife(recorder.export({})));
    assert.ok(entries.length <= 12, entries.length);
    // One that is longer than all of them may be.
    recorder.input(['socketMessage', 0, 'x'.repeat(2_000_000)]);
    const trace = recorder.export({});
    assert.ok(trace.length < 1_300_000);
    assert.deepEqual(lastLife(trace).entries.at(-1), [
      'in',
      0,
      'socketMessage',
      [{ cut: 2_000_000 }],
    ]);
  });

  it('has the bounds that it is given, or keeps nothing', async () => {
    const recorder = new Recorder(undefined, { inputs: 80, characters: 1_000 });
    for (let input = 0; input < 1_000; input += 1) recorder.input(['handleTab', 0, 't', 'text']);
    const { first, entries } = lastLife(recorder.export({}));
    assert.ok(entries.length >= 70 && entries.length <= 90, entries.length);
    assert.equal(first + entries.length, 1_000);
    recorder.input(['socketMessage', 0, 'x'.repeat(1_001)]);
    assert.deepEqual(lastLife(recorder.export({})).entries.at(-1)[3], [{ cut: 1_001 }]);

    const connection = ours.createConnection(new Backend(), { recorder: false });
    await call(connection.get('c', 'd'), 'create', { n: 1 });
    const life = lastLife(await connection.exportTrace());
    assert.deepEqual([life.complete, life.entries], [false, []]);
    for (const recorder of [true, 'all', { inputs: 0 }, { characters: 1.5 }])
      assert.throws(() => ours.createConnection('ws://test', { recorder }), {
        code: 'ERR_OPTION_INVALID',
      });
    assert.throws(() => ours.createConnection('ws://test', { recorder: { bytes: 1 } }), {
      code: 'ERR_OPTION_UNKNOWN',
    });
  });

  it('has text that JSON cannot carry as the machine gets it', () => {
    const recorder = new Recorder();
    recorder.input(['socketMessage', 0, 'half \ud83d of a pair, and \u{1f600}']);
    const [[, , , [text]]] = lastLife(recorder.export({})).entries;
    assert.equal(text, 'half \ufffd of a pair, and \u{1f600}');
  });

  it('has the life of a host that was ended, beside the next one', async () => {
    const { connection } = await connect(ours, new Backend());
    const doc = connection.get('c', 'd');
    await call(doc, 'create', { n: 1 });
    await connection._askDriver({ kill: true });
    await settle();
    const { lives } = JSON.parse(await connection.exportTrace());
    assert.deepEqual(
      lives.map(({ end, complete }) => [end, complete]),
      [
        ['A debug console ended the host', true],
        [undefined, true],
      ],
    );
    connection.close();
    await assert.rejects(connection.exportTrace(), { code: 'ERR_CONNECTION_CLOSED' });
  });

  it('refuses what it does not know', async () => {
    const { connection } = await connect(ours, new Backend());
    await assert.rejects(connection._askDriver({ fly: true }), { code: 'ERR_DEBUG_UNKNOWN' });
    connection.close();
  });
});

describe('hostStatus', () => {
  it('has details on request', async () => {
    const { tabs, docs } = await edited();
    docs[0].submitOp([{ p: ['text', 0], si: 'x' }]);
    const status = (options) =>
      new Promise((resolve) => tabs[0].hostStatus((_, answer) => resolve(answer), options));
    assert.deepEqual(Object.keys(await status()), ['tabs', 'sockets', 'docs', 'pendingOps']);
    const { details } = await status({ details: true });
    assert.deepEqual(details.tabs.map(({ id }) => id).sort(), ['one', 'two']);
    const [doc] = details.docs;
    assert.deepEqual([doc.collection, doc.id], ['letters', 'd']);
    assert.deepEqual(doc.tabs.map(({ id }) => id).sort(), ['one', 'two']);
    assert.equal(details.store, undefined);
  });
});
