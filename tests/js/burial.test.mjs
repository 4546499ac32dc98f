/** In which browsers a worker waits for the end of the one before. */

import assert from 'node:assert/strict';
import { burialTime } from '../../js-shim/src/link/burial.js';

const AGENTS = {
  firefox: [
    'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0',
    'Mozilla/5.0 (Android 14; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0',
  ],
  others: [
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0',
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15',
    // WebKit under the name of Firefox.
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/140.0 Mobile/15E148 Safari/605.1.15',
    'Node.js/22',
    '',
  ],
};

describe('a worker after one that died', () => {
  it('waits in Firefox alone', () => {
    for (const agent of AGENTS.firefox) assert.equal(burialTime(agent), 250, agent);
    for (const agent of AGENTS.others) assert.equal(burialTime(agent), 0, agent);
  });
});
