/**
 * A worker that serves nobody:
 *
 *   broken-worker.js?how=half
 *
 * | how | what is wrong |
 * |---|---|
 * | `half` | an option needs another one |
 * | `storage` | the storage lacks methods |
 * | `unknown` | there is no such option |
 * | `pages` | an option that is for the pages to say |
 * | `types` | what should be a list is none |
 * | `throws` | the module throws before it serves |
 * | `starts` | the host throws when the first tab comes |
 */

import { serve } from 'sharedb-proxy/worker';
import { HostCore } from '../../../js-shim/src/cores/host-core.js';

const how = new URLSearchParams(location.search).get('how');
const encrypt = (text) => text;

switch (how) {
  case 'half':
    serve({ durableStore: { encrypt } });
    break;
  case 'storage':
    serve({ durableStore: { storage: { initialize() {} } } });
    break;
  case 'unknown':
    serve({ durableStore: { encryption: encrypt } });
    break;
  case 'pages':
    serve({ durableStore: { maxOpBytes: 1000 } });
    break;
  case 'types':
    serve({ types: 7 });
    break;
  case 'throws':
    throw new Error('this is scripted');
  case 'starts':
    HostCore.prototype.configure = () => {
      throw new Error('this is scripted');
    };
    serve();
    break;
}
