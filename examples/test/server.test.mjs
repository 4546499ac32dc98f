/** The demo server's requests: the pages' files and no others, and no order from another site's page. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer } from '../server.mjs';

describe('the demo server', () => {
  let root;
  let server;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'sharedb-proxy-pages-'));
    await writeFile(join(root, 'text.html'), 'a page');
    server = await startServer({ port: 0, root });
  });

  after(async () => {
    await server.close();
    await rm(root, { recursive: true });
  });

  const status = async (path, options) => (await fetch(server.url + path, options)).status;

  it('serves a page by its name', async () => {
    const response = await fetch(`${server.url}/text`);
    assert.equal(await response.text(), 'a page');
    assert.match(response.headers.get('content-type'), /^text\/html/);
  });

  it('refuses a request that it does not understand', async () => {
    assert.equal(await status('/admin/cut?ms=x', { method: 'POST' }), 400);
    assert.equal(await status('/admin/unknown'), 404);
    assert.equal(await status('/%zz'), 400);
  });

  it('tells pages that have changed, where that is asked for', async () => {
    assert.equal(await (await fetch(`${server.url}/text`)).text(), 'a page');
    const page = join(root, 'index.html');
    await writeFile(page, '<head></head>first');
    const live = await startServer({ port: 0, root, reload: true });
    try {
      assert.match(await (await fetch(`${live.url}/`)).text(), /<head><script>[^]*<\/head>first/);
      const stop = new AbortController();
      const { body } = await fetch(`${live.url}/admin/changes`, { signal: stop.signal });
      const events = body.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
      const { value: before } = await events.next();
      await writeFile(page, '<head></head>second');
      const { value: after } = await events.next();
      const stateOf = (event) => event.match(/^data: (\d+)$/m)[1];
      assert.notEqual(stateOf(after), stateOf(before));
      stop.abort();
    } finally {
      await live.close();
      await rm(page);
    }
  });

  it('serves no file outside of the pages', async () => {
    assert.equal(await status('/..%2fpackage.json'), 404);
  });

  it('takes no order from a page of another site', async () => {
    const headers = { origin: 'http://elsewhere.example' };
    assert.equal(await status('/admin/cut', { method: 'POST', headers }), 403);
    assert.equal((await (await fetch(`${server.url}/admin/status`)).json()).offline, false);
  });
});
