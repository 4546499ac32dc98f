/**
 * A worker whose script comes over a slow network: it is not there before the address in its query answers. The request
 * is synchronous, so that ports wait as for a script that is loading.
 */

import { serve } from 'sharedb-proxy/worker';

const request = new XMLHttpRequest();
request.open('GET', new URL(location.href).searchParams.get('until'), false);
request.send();

serve();
