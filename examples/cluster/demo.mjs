/**
 * The demos on a cluster: two servers behind nginx, and a panel on each page that shows which of them this browser is on, and
 * kills it. `cargo xtask demo --cluster` builds the pages before.
 *
 *   node examples/cluster/demo.mjs [--port 8080]
 *
 * Of the demo server's `/admin` there are here:
 *
 *   GET  /admin/status?client=ID   {sockets, cluster: {servers: [{name, up, sockets, here}]}}: `here` has this `connection.id`
 *   GET  /admin/traffic            as the demo server's, summed up
 *   POST /admin/kill?server=NAME&client=ID   ends the process at once, as `kill -9` does; another one takes its place after some seconds
 *   POST /admin/hub-close          as the demo server's
 */
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Connection } from 'sharedb/lib/client/index.js';
import { WebSocket } from 'ws';
import { DemoHub } from '../hub.mjs';
import { answerFile, isFromElsewhere, sendJson } from '../pages.mjs';
import '../rules.mjs';
import { createSeeds } from '../seeds.mjs';
import { Cluster } from './cluster.mjs';

const HOST = '127.0.0.1';
const PAGES = fileURLToPath(new URL('../dist/', import.meta.url));
const APP = fileURLToPath(new URL('demo-app.mjs', import.meta.url));
/** Milliseconds until a server that was killed is there again. */
const REVIVAL_MS = 6_000;

const { values } = parseArgs({ options: { port: { type: 'string', default: '8080' } } });
const hub = new DemoHub();
/** What is not ShareDB: nginx sends it here. */
const http = createServer((request, response) => void answer(request, response));
http.on('upgrade', (request, socket, head) => hub.upgrade(request, socket, head));
await new Promise((resolve) => http.listen(0, HOST, resolve));

const { port: application } = http.address();
const cluster = await Cluster.start({ app: APP, application, port: Number(values.port) }).catch(
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);
await createSeeds(new Connection(new WebSocket(cluster.socketUrl)));
console.log(`listening on ${cluster.url}, ${cluster.servers.length} servers behind nginx`);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop);

async function stop() {
  await cluster.stop();
  process.exit(0);
}

async function answer(request, response) {
  const url = new URL(request.url, `http://${HOST}`);
  if (isFromElsewhere(request)) {
    return sendJson(response, 403, { error: 'requests from other origins are refused' });
  }
  try {
    switch (`${request.method} ${url.pathname}`) {
      case 'GET /admin/status':
        return sendJson(response, 200, await status(url.searchParams.get('client')));
      case 'GET /admin/traffic':
        return sendJson(response, 200, await traffic());
      case 'POST /admin/kill':
        kill(url.searchParams.get('server'));
        return sendJson(response, 200, await status(url.searchParams.get('client')));
      case 'POST /admin/hub-close':
        hub.close();
        return sendJson(response, 200, hub.status());
      default:
        return await answerFile(PAGES, request, response, url);
    }
  } catch (error) {
    if (response.headersSent) return response.destroy();
    sendJson(response, error instanceof URIError ? 400 : 500, { error: error.message });
  }
}

async function status(client) {
  const servers = await Promise.all(
    cluster.servers.map(async (server) => {
      const said = server.runs ? await server.status(client ?? '').catch(() => null) : null;
      const { sockets = 0, here = false } = said ?? {};
      return { name: server.name, up: said !== null, sockets, here };
    }),
  );
  const sockets = servers.reduce((sum, server) => sum + server.sockets, 0);
  return { sockets, offline: false, docs: {}, cluster: { servers } };
}

async function traffic() {
  const sum = {};
  for (const { runs, port } of cluster.servers) {
    if (!runs) continue;
    const counted = await (await fetch(`http://${HOST}:${port}/traffic`)).json();
    for (const [client, { sockets, received, sent }] of Object.entries(counted)) {
      const before = sum[client] ?? { sockets: 0, received: 0, sent: 0 };
      sum[client] = {
        sockets: before.sockets + sockets,
        received: before.received + received,
        sent: before.sent + sent,
      };
    }
  }
  return sum;
}

function kill(name) {
  const server = cluster.servers.find((server) => server.name === name);
  if (!server?.runs) return;
  server.signal('SIGKILL');
  setTimeout(() => server.start().catch((error) => console.error(error.message)), REVIVAL_MS);
}
