/**
 * The demo server: a stock ShareDB 7 backend on its memory database, the built pages, and a small JSON interface
 * under /admin by which the pages and the browser tests look at the server and disturb it.
 *
 *   GET  /admin/status            {sockets, offline, docs: {"collection/id": version}}
 *   GET  /admin/traffic           {name: {sockets, received, sent}} of clients whose address says `?client=name`, in bytes
 *   GET  /admin/received          {action: count of the messages that clients sent since the start}
 *   GET  /admin/snapshot?c=&d=    {v, type, data}
 *   GET  /admin/ops?c=&d=         [{v, src, seq, op | create | del}]
 *   GET  /admin/hub               {clients, tokens} of the SignalR hub at /hub
 *   POST /admin/hub-close         close the hub's connections, as a server does that is shut down
 *   POST /admin/hub-say           call the method `news` of all its clients with the request's body
 *   POST /admin/cut?ms=N          drop every socket, refuse new ones for N ms (without ms: until restored)
 *   POST /admin/restore           accept sockets again
 *   POST /admin/restart           a new backend over the same database; every socket is dropped
 *   GET  /admin/changes           an event stream that says when the pages have changed (with `--reload` only)
 *   POST /admin/say               send the request's body, as it is, on every socket (with ?binary=: as a binary frame)
 *
 * It listens on the loopback interface only and is no model for a server on a network: there is no login.
 */
import { createServer } from 'node:http';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import Backend from 'sharedb';
import { WebSocketServer } from 'ws';
import { DemoHub } from './hub.mjs';
import { answerFile, isFromElsewhere, sendJson } from './pages.mjs';
import { Reloading } from './reloading.mjs';
import { refuseOverdrafts } from './rules.mjs';
import { COLLECTION, createSeeds } from './seeds.mjs';
import { Traffic } from './traffic.mjs';
import { WebSocketStream, delayOf } from './ws-stream.mjs';

const HOST = '127.0.0.1';
const SOCKET_PATH = '/sharedb';
const HUB_PATH = '/hub';
const DEFAULT_PORT = 8080;
const BUILT_PAGES = fileURLToPath(new URL('./dist/', import.meta.url));

/** ShareDB and the WebSockets to it, with the switches that the demos offer. */
class DemoBackend {
  #db = new Backend.MemoryDB();
  // Outlives a restart, as a pub/sub server beside the backend would: a commit that was under way is still announced.
  #pubsub = new Backend.MemoryPubSub();
  #sockets = new WebSocketServer({ noServer: true });
  #versions = new Map();
  #received = new Map();
  #traffic = new Traffic();
  #restoreTimer = null;
  #offline = false;
  #backend = this.#newBackend();

  #newBackend() {
    const backend = new Backend({
      db: this.#db,
      pubsub: this.#pubsub,
      presence: true,
      doNotForwardSendPresenceErrorsToClient: true,
    });
    backend.use('receive', ({ data }, next) => {
      this.#received.set(data.a, (this.#received.get(data.a) ?? 0) + 1);
      next();
    });
    refuseOverdrafts(backend);
    backend.use('afterWrite', ({ collection, id, snapshot }, next) => {
      this.#versions.set(`${collection}/${id}`, snapshot.v);
      next();
    });
    return backend;
  }

  /** Creates the demo documents. */
  async seed() {
    await createSeeds(this.#backend.connect());
  }

  /** Takes a WebSocket upgrade, or refuses it while the demo is offline. */
  upgrade(request, socket, head) {
    const { pathname, searchParams } = new URL(request.url, `http://${HOST}`);
    if (pathname !== SOCKET_PATH || this.#offline) {
      socket.end(
        `HTTP/1.1 ${this.#offline ? '503 Service Unavailable' : '404 Not Found'}\r\nConnection: close\r\n\r\n`,
      );
      return;
    }
    if (searchParams.has('client')) this.#traffic.count(searchParams.get('client'), socket);
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
      this.#backend.listen(new WebSocketStream(webSocket, delayOf(request)), request);
    });
  }

  status() {
    const open = [...this.#sockets.clients].filter((socket) => socket.readyState === socket.OPEN);
    return {
      sockets: open.length,
      offline: this.#offline,
      docs: Object.fromEntries(this.#versions),
    };
  }

  /** How many messages of each action the clients sent, whatever became of their sockets. */
  received() {
    return Object.fromEntries(this.#received);
  }

  traffic() {
    return this.#traffic.status();
  }

  async snapshot(collection, id) {
    const { v, type, data } = await promisify(this.#db.getSnapshot.bind(this.#db))(
      collection,
      id,
      null,
      null,
    );
    return { v, type, data };
  }

  async ops(collection, id) {
    const ops = await promisify(this.#db.getOps.bind(this.#db))(collection, id, 0, null, null);
    return ops.map((op, v) => ({ ...op, v }));
  }

  #drop() {
    for (const socket of this.#sockets.clients) socket.terminate();
  }

  /** Drops every socket and refuses new ones for `ms` milliseconds, or until `restore` when `ms` is null. */
  cut(ms) {
    this.restore();
    this.#offline = true;
    if (ms !== null) this.#restoreTimer = setTimeout(() => this.restore(), ms);
    this.#drop();
  }

  restore() {
    clearTimeout(this.#restoreTimer);
    this.#offline = false;
  }

  restart() {
    this.#backend = this.#newBackend();
    this.#drop();
  }

  /** Sends a frame that ShareDB did not write, as a broken server or proxy might. */
  say(bytes, binary) {
    for (const socket of this.#sockets.clients) socket.send(bytes, { binary });
  }

  close() {
    this.restore();
    this.#drop();
  }
}

/** Longest body that /admin takes, in bytes. */
const LONGEST_BODY = 2 ** 20;

async function bodyOf(request) {
  const parts = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > LONGEST_BODY) throw new RangeError('the body is too long');
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** Milliseconds of `?ms=`; null where it is missing, undefined where it is not a count. */
const milliseconds = (query) => {
  if (!query.has('ms')) return null;
  const ms = Number(query.get('ms'));
  return Number.isSafeInteger(ms) && ms >= 0 && ms < 2 ** 31 ? ms : undefined;
};

async function answerAdmin({ demo, hub }, request, response, url) {
  if (isFromElsewhere(request)) {
    return sendJson(response, 403, { error: 'requests from other origins are refused' });
  }
  const [collection, id] = [
    url.searchParams.get('c') ?? COLLECTION,
    url.searchParams.get('d') ?? '',
  ];
  const ms = milliseconds(url.searchParams);
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /admin/status':
      return sendJson(response, 200, demo.status());
    case 'GET /admin/received':
      return sendJson(response, 200, demo.received());
    case 'GET /admin/traffic':
      return sendJson(response, 200, demo.traffic());
    case 'GET /admin/snapshot':
      return sendJson(response, 200, await demo.snapshot(collection, id));
    case 'GET /admin/ops':
      return sendJson(response, 200, await demo.ops(collection, id));
    case 'GET /admin/hub':
      return sendJson(response, 200, hub.status());
    case 'POST /admin/hub-close':
      hub.close();
      return sendJson(response, 200, hub.status());
    case 'POST /admin/hub-say':
      hub.invoke('news', String(await bodyOf(request)));
      return sendJson(response, 200, hub.status());
    case 'POST /admin/cut':
      if (ms === undefined)
        return sendJson(response, 400, { error: 'ms is not a number of milliseconds' });
      demo.cut(ms);
      return sendJson(response, 200, demo.status());
    case 'POST /admin/restore':
      demo.restore();
      return sendJson(response, 200, demo.status());
    case 'POST /admin/restart':
      demo.restart();
      return sendJson(response, 200, demo.status());
    case 'POST /admin/say':
      demo.say(await bodyOf(request), url.searchParams.has('binary'));
      return sendJson(response, 200, demo.status());
    default:
      return sendJson(response, 404, {
        error: `no such request: ${request.method} ${url.pathname}`,
      });
  }
}

async function answer(servers, request, response) {
  try {
    const url = new URL(request.url, `http://${HOST}`);
    if (servers.reloading?.answer(request, response, url)) return undefined;
    if (url.pathname.startsWith('/admin/')) await answerAdmin(servers, request, response, url);
    else await answerFile(servers.root, request, response, url, servers.reloading);
  } catch (error) {
    if (response.headersSent) return response.destroy();
    const malformed = error instanceof URIError || error.code === 'ERR_INVALID_URL';
    if (!malformed) console.error(error);
    sendJson(response, malformed ? 400 : 500, { error: error.message });
  }
}

/**
 * Starts the demo server.
 * @param {{port?: number, root?: string, reload?: boolean}} [options] `port` 0 takes any free one; `root` holds the built
 *   pages, which with `reload` load anew when they change
 * @returns {Promise<{url: string, port: number, close: () => Promise<void>}>}
 */
export async function startServer({ port = DEFAULT_PORT, root = BUILT_PAGES, reload } = {}) {
  const demo = new DemoBackend();
  await demo.seed();
  const hub = new DemoHub();
  const reloading = reload ? new Reloading(root) : undefined;
  const servers = { demo, hub, root, reloading };
  const http = createServer((request, response) => answer(servers, request, response));
  http.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    if (request.url.split('?')[0] === HUB_PATH) hub.upgrade(request, socket, head);
    else demo.upgrade(request, socket, head);
  });
  await new Promise((resolve, reject) => {
    http.once('error', reject);
    http.listen(port, HOST, resolve);
  });
  const bound = http.address().port;
  const close = async () => {
    demo.close();
    hub.end();
    reloading?.close();
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  };
  return { url: `http://${HOST}:${bound}`, port: bound, close };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: String(DEFAULT_PORT) },
      reload: { type: 'boolean', default: false },
    },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    console.error(`--port ${values.port} is not a port number`);
    process.exit(2);
  }
  startServer({ port, reload: values.reload }).then(
    ({ url }) => console.log(`listening on ${url}`),
    (error) => {
      console.error(
        error.code === 'EADDRINUSE' ? `port ${port} is in use; --port 0 takes a free one` : error,
      );
      process.exit(1);
    },
  );
}
