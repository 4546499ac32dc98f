/** docs/api.md is what the declarations say, and has everything that there is at run time. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as client from 'sharedb-proxy';
import * as coordinator from 'sharedb-proxy/coordinator';
import * as promises from 'sharedb-proxy/promises';
import { entries, page } from '../docs/api.mjs';

const PAGE = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8');

/** Called by the package itself, across its classes. */
const UNDECLARED = { Connection: ['coreDied'], Query: ['send'] };

/** What a section says, from a heading of level four to the next one. */
function sectionOf(name) {
  const start = PAGE.indexOf(`\n#### ${name}\n`);
  assert.ok(start >= 0, `there is a section ${name}`);
  return PAGE.slice(start, PAGE.indexOf('\n#### ', start + 1));
}

describe('the reference of the API', () => {
  it('is current', () => {
    assert.equal(PAGE, page(), 'run node tests/docs/api.mjs');
  });

  it('has every entry of the package', () => {
    const file = new URL('../../js-shim/package.json', import.meta.url);
    const { name, exports } = JSON.parse(readFileSync(file, 'utf8'));
    const paths = Object.keys(exports).filter((path) => path !== './package.json');
    assert.deepEqual(entries.toSorted(), paths.map((path) => path.replace('.', name)).toSorted());
  });

  it('has every export', () => {
    for (const name of Object.keys({ ...client, ...coordinator, ...promises })) sectionOf(name);
    for (const name of ['serve', 'signalR', 'showDevtools', 'traceOps']) sectionOf(name);
  });

  it('has every method of the classes', () => {
    const { Connection, Doc, Query, Presence, LocalPresence, DurableStore } = client;
    const classes = { Connection, Doc, Query, Presence, LocalPresence, DurableStore };
    for (const [name, { prototype }] of Object.entries(classes)) {
      const section = sectionOf(name);
      const methods = new Set();
      for (let one = prototype; Object.hasOwn(one, 'constructor') && one !== Object.prototype;) {
        if (Object.hasOwn(one, 'setMaxListeners')) break;
        for (const method of Object.getOwnPropertyNames(one)) methods.add(method);
        one = Object.getPrototypeOf(one);
      }
      const missing = [...methods].filter(
        (method) =>
          /^[a-z]/.test(method) &&
          method !== 'constructor' &&
          !new RegExp(`\\b${method}\\b`).test(section),
      );
      assert.deepEqual([name, missing], [name, UNDECLARED[name] ?? []]);
    }
  });
});
