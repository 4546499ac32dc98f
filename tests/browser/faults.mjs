/** Messages that nobody should send, to the worker's port and from the server: they change nothing and trap nothing. */
import assert from 'node:assert/strict';
import { until } from './stage.mjs';
import { OF_SHARED } from './host-skips.mjs';

/** What the worker's port gets, as structured clones: texts, almost-messages, and things that are no text. */
const TO_THE_WORKER = [
  '',
  'nonsense',
  '{',
  'null',
  '[]',
  '0',
  '{"unknown.message":{}}',
  '{"doc.submitOp":{}}',
  '{"doc.submitOp":{"collection":"demo","id":"garbage","seq":-1,"op":[{"p":["value"],"na":1}]}}',
  '{"doc.submitOp":{"collection":"demo","id":"garbage","revision":99999,"seq":77,"op":[{"p":["value"],"na":1}]}}',
  '{"doc.submitOp":{"collection":"demo","id":"garbage","revision":0,"seq":78,"op":"no op"}}',
  '{"doc.submitOp":{"collection":"demo","id":"garbage","seq":1e400}}',
  '{"connection.register":{"protocol":"one"}}',
  '{"doc.subscribe":{"collection":7,"id":null,"callbackId":"x"}}',
  `{"deep":${'['.repeat(5000)}${']'.repeat(5000)}}`,
  0,
  null,
  undefined,
  true,
  [],
  {},
  { connect: null },
  { connect: {} },
  { connect: { tab: 5, url: {} } },
  { connect: { tab: '', url: 'ws://127.0.0.1:1/' } },
  { connect: { tab: 'second', url: 'ws://127.0.0.1:1/' } },
];

/** What the server says, beside what it should. */
const FROM_THE_SERVER = [
  '',
  'nonsense',
  '{',
  'null',
  '[]',
  '7',
  '{}',
  '{"a":"unknown"}',
  '{"a":5}',
  '{"a":"op"}',
  '{"a":"op","c":"demo","d":"garbage"}',
  '{"a":"op","c":"demo","d":"garbage","v":-1,"op":[]}',
  '{"a":"op","c":"demo","d":"garbage","v":0,"op":[{"p":["value"],"na":1}],"src":"x","seq":1}',
  '{"a":"op","c":"demo","d":"never opened","v":1,"op":[]}',
  '{"a":"s","c":"demo","d":"garbage","data":"no snapshot"}',
  '{"a":"f","c":"demo","d":"garbage","data":{"v":"x"}}',
  '{"a":"bs","c":"demo"}',
  '{"a":"bs","c":"demo","b":7}',
  '{"a":"bf","c":"demo","data":[1,2,3]}',
  '{"a":"hs"}',
  '{"a":"init"}',
  '{"a":"pp"}',
  `{"a":"op","x":${'['.repeat(5000)}${']'.repeat(5000)}}`,
];

const add = (page, amount) =>
  page.evaluate((na) => window.demo.doc.submitOp([{ p: ['value'], na }]), amount);

/** The tabs work as before: what they add arrives, through the socket that was there. */
async function unharmed(stage, pages, before) {
  for (const page of pages) await add(page, 1);
  const { data } = await stage.agreed(pages, 'garbage');
  assert.equal(data.value, before.value + pages.length);
  assert.equal((await stage.admin('received')).hs, before.hs, 'the host did not connect again');
  await stage.reports(pages[0], { tabs: pages.length, sockets: 1, docs: 1, pendingOps: 0 });
}

async function onTheStage(stage) {
  const pages = await stage.tabs(2, 'counter', 'garbage');
  const { data } = await stage.agreed(pages, 'garbage');
  const { hs } = await stage.admin('received');
  return { pages, before: { value: data.value, hs } };
}

async function garbageToTheWorker(stage) {
  const { pages, before } = await onTheStage(stage);
  const [worker] = await stage.workers.urls();
  await pages[0].evaluate(
    ({ url, messages }) => {
      const strangers = ['own port', 'new port', 'new port that says hello first'].map((who) => {
        if (who === 'own port') return window.demo.connection._link._workers.shared.port;
        const options = { type: 'module', name: 'sharedb-proxy-demos' };
        const { port } = new SharedWorker(url, options);
        port.start();
        if (who !== 'new port')
          port.postMessage({ connect: { tab: 'stranger', url: 'ws://127.0.0.1:1/' } });
        return port;
      });
      for (const port of strangers) for (const message of messages) port.postMessage(message);
      strangers[0].postMessage(new ArrayBuffer(8));
    },
    { url: worker, messages: TO_THE_WORKER },
  );
  assert.equal((await stage.workers.urls()).length, 1, 'the strangers met the same worker');
  await unharmed(stage, pages, before);
}

async function garbageFromTheServer(stage) {
  const { pages, before } = await onTheStage(stage);
  for (const text of FROM_THE_SERVER) await stage.post('say', text);
  await stage.post('say?binary=', new Uint8Array([0, 255, 128, 1]));
  await unharmed(stage, pages, before);
}

/** The answer to a message that has a callback is an error, not silence. */
async function garbageIsAnswered(stage) {
  const [page] = await stage.tabs(1, 'counter', 'answered');
  const answer = await page.evaluate(
    () =>
      new Promise((resolve) => {
        const { port } = window.demo.connection._link._workers.shared;
        port.addEventListener('message', ({ data }) => data.includes('4242') && resolve(data));
        port.postMessage('{"connection.nonsense":{"callbackId":4242}}');
      }),
  );
  const { callback } = JSON.parse(answer).message;
  assert.equal(callback.callbackId, 4242);
  assert.equal(callback.error.code, 'ERR_MESSAGE_BADLY_FORMED');
  assert.match(callback.error.message, /connection\.nonsense/);
}

/** Where the worker's script is not there, the host moves into the page, and says why. */
async function missingWorker(stage) {
  const page = await stage.tab('counter', 'missing', '&worker=missing');
  const host = await page.evaluate(() => window.demo.connection.host);
  assert.equal(host.kind, 'elected-tab');
  assert.match(host.reason, /worker did not start/);
  await page.evaluate(() => window.demo.doc.submitOp([{ p: ['value'], na: 7 }]));
  assert.equal((await stage.agreed([page], 'missing')).data.value, 7);
}

/** @type {{name: string, run: (stage: import('./stage.mjs').Stage) => Promise<void>}[]} */
export const faultTests = [
  { name: 'faults: malformed messages to the worker', skip: OF_SHARED, run: garbageToTheWorker },
  { name: 'faults: malformed messages from the server', run: garbageFromTheServer },
  {
    name: 'faults: a malformed message with a callback is answered',
    skip: OF_SHARED,
    run: garbageIsAnswered,
  },
  { name: 'faults: a worker that cannot be loaded', run: missingWorker },
];
