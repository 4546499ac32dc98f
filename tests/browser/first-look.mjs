/** A page shows its documents before its host is there, whose script is still on its way. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { OF_SHARED } from './host-skips.mjs';
import { until } from './stage.mjs';

/** A document of the demos: it is there when the server starts. */
const ID = 'counter';

/** What the worker's script waits for. */
async function startGate() {
  const waiting = [];
  let isOpen = false;
  const server = createServer((_, response) => {
    response.setHeader('access-control-allow-origin', '*');
    if (isOpen) response.end();
    else waiting.push(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const open = () => {
    isOpen = true;
    for (const response of waiting) response.end();
  };
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${server.address().port}/`, open, close };
}

/** In the page: opens the document; what it shows. */
async function look({ script, id }) {
  const options = { worker: 'slow-worker', namespace: 'looked', durable: false, firstLook: true };
  window.demo = await window.lab.open({ ids: [id], script, ...options });
  window.demo.doc = window.demo.docs[id];
  await window.demo.opened;
  return window.demo.doc.data;
}

async function beforeTheHost(stage) {
  const gate = await startGate();
  const script = `?until=${encodeURIComponent(gate.url)}`;
  try {
    const page = await stage.visit('lab/tab.html');
    const { data, v } = await stage.snapshot(ID);
    assert.deepEqual(await page.evaluate(look, { script, id: ID }), data);
    // A host subscribes; it was the page that fetched.
    assert.equal((await stage.admin('received')).f, 1);
    await page.evaluate(() => {
      window.written = 0;
      window.demo.doc.submitOp([{ p: ['value'], na: 5 }], (error) => {
        window.written = error ? String(error) : 1;
      });
    });
    const other = await stage.visit('lab/tab.html');
    const shown = other.evaluate(look, { script, id: ID });
    gate.open();
    await until('the op is acknowledged', async () => {
      assert.ok((await stage.sockets()) <= 1, 'never two sockets');
      return page.evaluate(() => window.written);
    });
    assert.equal(await page.evaluate(() => window.written), 1);
    await shown;
    const pages = [page, other];
    await stage.agreed(pages, ID);
    const ops = await stage.admin(`ops?d=${ID}`);
    assert.deepEqual(
      ops.slice(v).map(({ op }) => op),
      [[{ p: ['value'], na: 5 }]],
    );
    await stage.reports(page, { tabs: 2, sockets: 1 });
    for (const one of pages) assert.deepEqual(await one.evaluate(() => window.demo.errors), []);
  } finally {
    gate.close();
  }
}

export const firstLookTests = [
  { name: 'first look: before the host is there', skip: OF_SHARED, run: beforeTheHost },
];
