/**
 * `tests/js/types/stock/every-export.cts` is compiled with our types and with those of `@types/sharedb`. It leaves out
 * none of theirs, and what is a value there is one here.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Backend } from './clients.mjs';
import * as ours from 'sharedb-proxy';

const ROOT = new URL('../../', import.meta.url);
const read = (path) => readFileSync(new URL(path, ROOT), 'utf8');
const program = read('tests/js/types/stock/every-export.cts');
const uses = (name) => new RegExp(`\\b${name}\\b`).test(program);

describe('@types/sharedb', () => {
  const client = read('node_modules/@types/sharedb/lib/client/index.d.ts');
  const [, list] = client.match(/export \{(.*?)\} from/s);
  const values = [...client.matchAll(/^export (?:class|const) (\w+)/gm)].map(([, name]) => name);
  const names = list.match(/\w+/g).concat(values);

  it('has no export of its client that the program does not use', () => {
    assert.ok(names.length > 20);
    assert.deepEqual(
      names.filter((name) => !uses(name)),
      [],
    );
  });

  it('has no other name that the program does not use', () => {
    const shared = read('node_modules/@types/sharedb/lib/sharedb.d.ts');
    const all = [...shared.matchAll(/^export (?:type|interface|class) (\w+)/gm)];
    assert.ok(all.length > 60);
    assert.deepEqual(
      all.map(([, name]) => name).filter((name) => !uses(name)),
      [],
    );
  });

  it('declares no class that the package lacks', () => {
    const shared = read('node_modules/@types/sharedb/lib/sharedb.d.ts');
    const classes = [...shared.matchAll(/^export class (\w+)/gm)].map(([, name]) => name);
    const exported = names.filter((name) => values.includes(name) || classes.includes(name));
    assert.deepEqual(exported.sort(), [
      ...['Connection', 'Doc', 'LocalPresence', 'Presence', 'Query', 'logger', 'types'],
    ]);
    assert.deepEqual(
      exported.filter((name) => !ours[name]),
      [],
    );
  });

  it('names the classes that a connection makes', () => {
    const connection = ours.createConnection(new Backend());
    const presence = connection.getPresence('cursors');
    assert.ok(presence instanceof ours.Presence);
    assert.ok(presence.create('me') instanceof ours.LocalPresence);
    assert.ok(connection.getDocPresence('c', 'd') instanceof ours.Presence);
    connection.close();
  });
});
