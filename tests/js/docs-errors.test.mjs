/** docs/errors.md and the references of docs/coordination.md and docs/devices.md have an entry for each code of the sources, and none besides. */

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';

const ROOT = new URL('../../', import.meta.url);
const read = (path) => readFileSync(new URL(path, ROOT), 'utf8');
const FOLDERS = [
  ...['ot-json0/src/', 'proxy-doc/src/', 'broker/src/', 'durable-store/src/'],
  ...['worker-host/src/', 'proxy-connection/src/', 'js-shim/src/'],
];

/** The codes that stand in files of a folder, without those of Rust's tests. */
function codesOf(folder) {
  const codes = new Set();
  for (const name of readdirSync(new URL(folder, ROOT), { recursive: true })) {
    if (!/\.(rs|js)$/.test(name) || /tests(\/|\.rs)/.test(name)) continue;
    for (const [code] of read(folder + name).matchAll(/\bERR_\w+/g)) codes.add(code);
  }
  return codes;
}

/** The codes that rows of tables begin with. */
function entriesOf(text) {
  const rows = text.split('\n').filter((line) => line.startsWith('| `ERR_'));
  return rows.flatMap((row) => {
    const cells = row.split('|').map((cell) => cell.trim());
    assert.equal(cells.length, 5, `what happened and what to do: ${row}`);
    assert.ok(cells[2] && cells[3], row);
    return cells[1].match(/ERR_\w+/g);
  });
}

describe('the reference of errors', () => {
  const raised = new Set(FOLDERS.flatMap((folder) => [...codesOf(folder)]));
  const own = entriesOf(read('docs/errors.md'));
  const entries = [
    ...own,
    ...entriesOf(read('docs/coordination.md')),
    ...entriesOf(read('docs/devices.md')),
  ];

  it('has an entry for each code', () => {
    assert.ok(raised.size > 60);
    assert.deepEqual([...raised].filter((code) => !entries.includes(code)).sort(), []);
  });

  it('has no entry for a code that nothing raises', () => {
    const ofServer = new Set(read('node_modules/sharedb/lib/error.js').match(/\bERR_\w+/g));
    const isRaised = (code) => raised.has(code) || ofServer.has(code);
    assert.deepEqual(
      entries.filter((code) => !isRaised(code)),
      [],
    );
  });

  it('has no entry twice', () => {
    assert.deepEqual(
      own.filter((code, place) => own.indexOf(code) !== place),
      [],
    );
  });
});
