/** What a CommonJS package gets from the package in a bundle for browsers: the entry with its WebAssembly inside. */

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { build } from 'esbuild';
import { Backend } from './clients.mjs';

const require = createRequire(import.meta.url);
const root = new URL('../../', import.meta.url).pathname;

describe('the inline entry', () => {
  for (const name of ['sharedb-proxy/inline', 'sharedb-proxy']) {
    it(`stands in for ShareDB's client where a CommonJS package requires it: ${name}`, () =>
      standIn(name));
  }
});

/** @param {string} name what stands in for ShareDB's client */
async function standIn(name) {
  const folder = await mkdtemp(join(tmpdir(), 'sharedb-proxy-inline-'));
  try {
    const entry = join(folder, 'application.cjs');
    await writeFile(entry, "module.exports = require('sharedb/lib/client');");
    const outfile = join(folder, 'bundle.cjs');
    await build({
      entryPoints: [entry],
      outfile,
      bundle: true,
      format: 'cjs',
      platform: 'browser',
      nodePaths: [join(root, 'node_modules')],
      alias: { 'sharedb/lib/client': name },
      logLevel: 'error',
      // What only a SharedWorker's address needs.
      logOverride: { 'empty-import-meta': 'silent' },
    });
    const { Connection } = require(outfile);
    const connection = new Connection({ readyState: 3, close() {}, send() {} });
    new Backend().connect(connection);
    const doc = connection.get('c', 'd');
    await new Promise((resolve, reject) => {
      doc.create({ n: 1 }, (error) => (error ? reject(error) : resolve()));
    });
    assert.deepEqual([doc.version, doc.data], [1, { n: 1 }]);
  } finally {
    await rm(folder, { recursive: true });
  }
}
