/** In which browsers a store does something of its own. */

import assert from 'node:assert/strict';
import { commitsFailures, isFragile } from '../../js-shim/src/storage/engines.js';

const WEBKIT = [
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15',
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15',
  // WebKit under other names.
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/140.0 Mobile/15E148 Safari/605.1.15',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/142.0.0.0 Mobile/15E148 Safari/604.1',
];
const FIREFOX = ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'];
const OTHERS = [
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  'Node.js/22',
  '',
];

describe('transactions one after the other', () => {
  it('are for WebKit alone', () => {
    for (const agent of WEBKIT) assert.equal(isFragile(agent), true, agent);
    for (const agent of [...FIREFOX, ...OTHERS]) assert.equal(isFragile(agent), false, agent);
  });
});

describe('transactions that are not told to commit', () => {
  it('are for Firefox alone, beside those', () => {
    for (const agent of FIREFOX) assert.equal(commitsFailures(agent), true, agent);
    for (const agent of [...WEBKIT, ...OTHERS]) assert.equal(commitsFailures(agent), false, agent);
  });
});
