/** A host in the page that takes over from one elsewhere: it knows the tab that comes along. */

import assert from 'node:assert/strict';
import { HostCore } from '../../js-shim/src/cores/host-core.js';
import { PageLink } from '../../js-shim/src/link/page-link.js';
import { Backend, Wire, call, ours } from './clients.mjs';
import { happens } from './durable-lives.mjs';

describe('a host in the page', () => {
  it('keeps what the store knows of its tab, and of no other', async () => {
    const found = [];
    const { tabsFound } = HostCore.prototype;
    HostCore.prototype.tabsFound = function (tabs) {
      found.push(tabs);
      return tabsFound.call(this, tabs);
    };
    try {
      const backend = new Backend();
      const durableStore = { storage: new ours.InMemoryStorage() };
      for (const tab of ['first', 'first', 'second']) {
        const wire = new Wire(backend);
        const link = new PageLink(wire.socket, { durableStore, tab });
        const connection = new ours.Connection(null, { durableStore, link });
        wire.open();
        await happens(connection, 'connected');
        const doc = connection.get('c', `d${found.length}`);
        await call(doc, 'create', { list: [] });
        await call(connection, 'flushWrites');
        wire.close('gone');
      }
      assert.deepEqual(found, [['first'], []], 'the first life finds nobody to ask for');
    } finally {
      HostCore.prototype.tabsFound = tabsFound;
    }
  });
});
