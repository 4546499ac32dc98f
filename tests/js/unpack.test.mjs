/** What a browser makes of the scripts that have the modules' bytes. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

describe('unpacking a module', () => {
  for (const name of ['tab', 'host', 'coordinator']) {
    it(`gives the bytes that were packed: ${name}`, async () => {
      const file = (end) => new URL(`../../js-shim/pkg/${name}${end}`, import.meta.url);
      const script = await import(file('_bytes.js'));
      const packed = Buffer.from(await readFile(file('_bg.wasm')));
      assert.ok(packed.equals(script[`${name}Bytes`]()));
    });
  }
});
