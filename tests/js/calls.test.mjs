/** How often the machines are entered: each call into WebAssembly costs about as much as reading a short message. */

import assert from 'node:assert/strict';
import { HostCore } from '../../js-shim/src/cores/host-core.js';
import { TabCore } from '../../js-shim/src/cores/tab-core.js';
import { Backend, call, connect, ours, settle } from './clients.mjs';

/** Counts the calls of a class's methods and getters until `stop` is called, which gives the count of each. */
function countCalls({ prototype }) {
  const counts = {};
  const properties = Object.entries(Object.getOwnPropertyDescriptors(prototype));
  for (const [name, property] of properties) {
    if (name === 'constructor') continue;
    const key = property.get ? 'get' : 'value';
    const counted = function (...args) {
      counts[name] = (counts[name] ?? 0) + 1;
      return property[key].apply(this, args);
    };
    Object.defineProperty(prototype, name, { ...property, [key]: counted });
  }
  return () => {
    for (const [name, property] of properties) Object.defineProperty(prototype, name, property);
    return counts;
  };
}

describe('machines', () => {
  it('are entered few times for an op', async () => {
    const backend = new Backend();
    const [here, there] = [await connect(ours, backend), await connect(ours, backend)];
    const docs = [here, there].map(({ connection }) => connection.get('c', 'd'));
    await call(docs[0], 'create', { n: 0 });
    for (const doc of docs) await call(doc, 'subscribe');
    await call(docs[0], 'submitOp', [{ p: ['n'], na: 1 }]);
    await settle();
    const [ofTabs, ofHosts] = [countCalls(TabCore), countCalls(HostCore)];
    await call(docs[0], 'submitOp', [{ p: ['n'], na: 1 }]);
    await settle();
    const [tabs, hosts] = [ofTabs(), ofHosts()];
    // In the tab of the author: apply and flush later; that it is sent, and the message; callback, no write pending,
    // nothing pending. In the other one: apply, and that nothing follows.
    assert.deepEqual(tabs, { submitOp: 1, flush: 1, handleMessage: 3, poll: 9 });
    assert.deepEqual(hosts, { setNow: 3, handleTab: 1, socketMessage: 2, poll: 3 });
    assert.deepEqual(
      docs.map((doc) => doc.data),
      [{ n: 2 }, { n: 2 }],
    );
  });
});
