/**
 * The package's entries where `TextDecoder`, `TextEncoder` and `fetch` are missing, and where the globals are another
 * realm's: as in Jest's jsdom environment.
 */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import vm from 'node:vm';
import { Backend, call } from './clients.mjs';

const PACKAGE = new URL('../../js-shim/', import.meta.url);

/** Some of what jsdom has; nothing that encodes, decodes or fetches. */
const GLOBALS = { process, console, crypto, URL, setTimeout, clearTimeout, performance };

/** `require` in a context: what is loaded has the context's globals and its `Uint8Array`, `Error` and `WebAssembly`. */
function requireIn(context, file, loaded = new Map()) {
  const known = loaded.get(file);
  if (known) return known.exports;
  const module = { exports: {} };
  loaded.set(file, module);
  const { resolve } = createRequire(file);
  const inner = (name) =>
    isBuiltin(name) ? process.getBuiltinModule(name) : requireIn(context, resolve(name), loaded);
  const parameters = ['module', 'exports', 'require', '__filename', '__dirname'];
  const options = { filename: file, parsingContext: context };
  const evaluate = vm.compileFunction(readFileSync(file, 'utf8'), parameters, options);
  evaluate(module, module.exports, inner, file, dirname(file));
  return module.exports;
}

/** In a process without these globals: imports the entry, and prints what became of a document. */
const IMPORTING = `
  const absent = ['TextDecoder', 'TextEncoder', 'fetch', 'Request', 'Response'];
  for (const name of absent) delete globalThis[name];
  const { default: Backend } = await import('sharedb');
  const { Connection } = await import(ENTRY);
  const connection = new Connection({ readyState: 3, close() {}, send() {} });
  new Backend().connect(connection);
  const doc = connection.get('c', 'd');
  doc.create({ text: 'é😀' });
  doc.submitOp([{ p: ['text', 0], si: 'ü' }], (error) => {
    if (error) throw error;
    console.log(JSON.stringify([doc.version, doc.data]));
  });
`;

describe('without TextDecoder, TextEncoder and fetch', () => {
  for (const entry of ['dist/index.cjs', 'dist/inline.cjs']) {
    it(`${entry} loads in another realm, and texts arrive unharmed`, async () => {
      const context = vm.createContext({ ...GLOBALS });
      assert.equal(vm.runInContext('typeof TextDecoder', context), 'undefined');
      const { Connection } = requireIn(context, fileURLToPath(new URL(entry, PACKAGE)));
      const connection = new Connection({ readyState: 3, close() {}, send() {} });
      const backend = new Backend();
      backend.connect(connection);
      const doc = connection.get('c', 'd');
      await call(doc, 'create', { text: 'é😀' });
      await call(doc, 'submitOp', [{ p: ['text', 0], si: 'ü' }]);
      const other = backend.connect().get('c', 'd');
      await call(other, 'fetch');
      assert.deepEqual([doc.data.text, other.data.text], ['üé😀', 'üé😀']);
    });
  }

  for (const entry of ['src/index.js', 'src/index.node.js', 'src/index.inline.js']) {
    it(`${entry} is imported, and texts arrive unharmed`, async () => {
      const { href } = new URL(entry, PACKAGE);
      const script = IMPORTING.replace('ENTRY', JSON.stringify(href));
      const options = { cwd: fileURLToPath(new URL('.', import.meta.url)) };
      const arguments_ = ['--input-type=module', '--eval', script];
      const { stdout } = await promisify(execFile)(process.execPath, arguments_, options);
      // Both were submitted in one go, so they are one op.
      assert.deepEqual(JSON.parse(stdout), [1, { text: 'üé😀' }]);
    });
  }
});
