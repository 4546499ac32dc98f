/** What a connection does when its page may be about to go: no task of the page has to come after that. */

import assert from 'node:assert/strict';
import { Backend, call, connect, ours, settle, until } from './clients.mjs';
import { snapshot } from './durable-lives.mjs';
import { withGlobals } from './globals.mjs';
import { SharedHost } from './shared-host.mjs';

/** A window and its document, as far as their end is concerned. */
class Page extends EventTarget {
  document = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  /** Of the window. */
  listeners = 0;

  globals = {
    document: this.document,
    addEventListener: (...args) => (this.listeners++, this.addEventListener(...args)),
    removeEventListener: (...args) => (this.listeners--, this.removeEventListener(...args)),
  };

  hide() {
    this.dispatchEvent(new Event('pagehide'));
  }

  show(state) {
    this.document.visibilityState = state;
    this.document.dispatchEvent(new Event('visibilitychange'));
  }
}

/** A connected document in a page, and the ops that its socket was given since. */
const inPage = (test) => {
  const page = new Page();
  return withGlobals(page.globals, async () => {
    const { connection, wire } = await connect(ours, new Backend());
    const doc = connection.get('c', 'd');
    await call(doc, 'create', { n: 0 });
    wire.gated = true;
    const sent = () => wire.upward.filter(({ a }) => a === 'op').map(({ op }) => op);
    await test({ page, connection, doc, sent });
    connection.close();
  });
};

const add = (na) => [{ p: ['n'], na }];

describe('a page that may be about to go', () => {
  for (const [event, hide] of [
    ['pagehide', (page) => page.hide()],
    ['visibilitychange', (page) => page.show('hidden')],
  ]) {
    it(`has sent in ${event} what was submitted before`, () =>
      inPage(async ({ page, doc, sent }) => {
        doc.submitOp(add(1));
        assert.deepEqual(sent(), []);
        hide(page);
        assert.deepEqual(sent(), [add(1)]);
      }));

    it(`sends after ${event} what a listener submits as one op, when the listener ends`, () =>
      inPage(async ({ page, doc, sent }) => {
        hide(page);
        doc.submitOp(add(1));
        doc.submitOp(add(2));
        await Promise.resolve();
        assert.deepEqual(sent(), [add(3)]);
      }));
  }

  for (const [when, submit] of [
    ['before', (page, doc) => (doc.submitOp(add(2)), page.hide())],
    ['in a listener', (page, doc) => (page.hide(), doc.submitOp(add(2)))],
  ]) {
    it(`has sent what was submitted ${when}, behind an op that no host has accepted yet`, () => {
      const page = new Page();
      return withGlobals(page.globals, async () => {
        const backend = new Backend();
        const host = new SharedHost(backend);
        const doc = host.connection('tab').get('c', 'd');
        await call(doc, 'create', { n: 0 });
        doc.submitOp(add(1));
        doc.flush();
        submit(page, doc);
        await Promise.resolve();
        // The page is gone: what it posted arrives, and it hears nothing more.
        host.tabs.delete('tab');
        await until('the server has both', async () => (await snapshot(backend, 'd')).data.n === 3);
      });
    });
  }

  it('waits for the next tick again when it is back', () =>
    inPage(async ({ page, doc, sent }) => {
      page.hide();
      page.show('visible');
      doc.submitOp(add(1));
      await Promise.resolve();
      assert.deepEqual(sent(), []);
      await settle();
      assert.deepEqual(sent(), [add(1)]);
    }));

  it('is not watched any more by a connection that is closed', () =>
    inPage(async ({ page, connection }) => {
      assert.equal(page.listeners, 2);
      connection.close();
      assert.equal(page.listeners, 0);
    }));
});
