/**
 * The debug console as a page of its own: one more tab of a namespace, that shows its host. The address is that of the page to be
 * looked at, up to its name: `?store=session` and `?namespace=n` say whose host it is.
 */
import { showDevtools } from 'sharedb-proxy/devtools';
import { createConnection } from './proxy.js';

const url = new URL('/sharedb', location.href);
url.protocol = url.protocol.replace('http', 'ws');

const connection = createConnection(url.href);
connection.on('error', (error) => console.error(error));
showDevtools({ into: document.querySelector('#console'), connection });
window.demo = { connection };
document.body.dataset.ready = '';
