/**
 * One server process of a cluster: ShareDB between PostgreSQL, which has the documents, and Redis, by which the processes
 * tell each other of ops. It holds no state that the next process would miss. Start as many as there are cores.
 *
 *   NAME=server-1 PORT=8081 REDIS_URL=redis://127.0.0.1:6379 PGHOST=… node server.mjs [--app MODULE]
 *
 * PostgreSQL is named by libpq's variables: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE; `PGPOOL` connections are used.
 * MODULE exports what the application adds: `setUp(backend)`, `accept(request, socket)`, called for each WebSocket, `routes` by
 * their paths; and for demos `delayOf(request)`, milliseconds.
 *
 *   /sharedb      the WebSockets
 *   GET /health   200 while clients may come; 503 while PostgreSQL or Redis is away, and while the process stops
 *   GET /status   figures to watch; with `?client=ID` also whether the client with this `connection.id` is here
 *
 * SIGTERM stops it in order. It listens on the loopback interface: nginx is before it, and logs users in.
 */
import { createServer } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';
import Backend from 'sharedb';
import { WebSocketServer } from 'ws';
import { WebSocketStream } from '../ws-stream.mjs';
import { PatientPostgres } from './postgres.mjs';
import { connectRedis } from './redis.mjs';
import { publishResentOps } from './resent.mjs';

const HOST = '127.0.0.1';
/** Milliseconds over which clients are sent away: all at once would come back at once. */
const SPREAD_MS = Number(process.env.SPREAD_MS ?? 5_000);
/** Milliseconds for submits under way, after the last socket is closed. */
const LAST_SUBMITS_MS = 5_000;
/** Milliseconds between pings; a client that has not answered the last one is gone, and its subscriptions with it. */
const PING_MS = 30_000;
/** WebSocket close codes (RFC 6455 and the IANA registry). */
const GOING_AWAY = 1001;
const SERVICE_RESTART = 1012;

/** A ShareDB server with its WebSockets. */
class ClusterServer {
  #sockets = new WebSocketServer({ noServer: true });
  #agents = new Map();
  #submits = new Set();
  #bytesOut = 0;
  #stopping = false;
  #lag = monitorEventLoopDelay({ resolution: 10 });
  #pings = setInterval(() => this.#ping(), PING_MS);

  constructor({ name, redisUrl, poolSize, app }) {
    this.name = name;
    this.app = app;
    this.db = new PatientPostgres({ max: poolSize });
    this.redis = connectRedis(redisUrl, {
      // What others published meanwhile is lost. A client that comes anew gets what it lacks from PostgreSQL.
      onBack: () => this.#sendAway(SERVICE_RESTART, 'the servers lost touch'),
    });
    this.backend = new Backend({
      db: this.db,
      pubsub: this.redis.pubsub,
      presence: true,
      doNotForwardSendPresenceErrorsToClient: true,
    });
    publishResentOps(this.backend);
    this.backend.use('connect', ({ agent }, next) => {
      this.#agents.set(agent.stream, agent);
      agent.stream.once('close', () => this.#agents.delete(agent.stream));
      next();
    });
    this.backend.use('submit', (request, next) => {
      this.#submits.add(request);
      next();
    });
    this.backend.on('submitRequestEnd', (_, request) => this.#submits.delete(request));
    app.setUp?.(this.backend);
    this.#lag.enable();
    this.http = createServer((request, response) => this.#answer(request, response));
    this.http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  async listen(port) {
    await new Promise((resolve, reject) => {
      this.http.once('error', reject);
      this.http.listen(port, HOST, resolve);
    });
    return this.http.address().port;
  }

  #upgrade(request, socket, head) {
    socket.on('error', () => socket.destroy());
    const { pathname } = new URL(request.url, `http://${HOST}`);
    if (pathname !== '/sharedb' || this.#stopping) {
      const status = this.#stopping ? '503 Service Unavailable' : '404 Not Found';
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
      return;
    }
    socket.once('close', () => (this.#bytesOut += socket.bytesWritten));
    this.app.accept?.(request, socket);
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.connection = socket;
      webSocket.isAlive = true;
      webSocket.on('pong', () => (webSocket.isAlive = true));
      this.backend.listen(new WebSocketStream(webSocket, this.app.delayOf?.(request)), request);
    });
  }

  #ping() {
    for (const socket of this.#sockets.clients) {
      if (!socket.isAlive) socket.terminate();
      else socket.ping();
      socket.isAlive = false;
    }
  }

  async #answer(request, response) {
    const { pathname, searchParams } = new URL(request.url, `http://${HOST}`);
    const routes = {
      '/health': async () => ({
        ok: !this.#stopping && this.redis.isHere() && (await this.db.isHere()),
      }),
      '/status': () => this.status(searchParams.get('client')),
      ...this.app.routes,
    };
    const body = await routes[pathname]?.();
    response.writeHead(body === undefined ? 404 : body.ok === false ? 503 : 200, {
      'content-type': 'application/json',
    });
    response.end(JSON.stringify(body ?? { error: 'no such page' }));
  }

  /** What to watch; `docs/cluster.md` says which of it, and when to worry. */
  status(client) {
    const open = [...this.#sockets.clients];
    const { user, system } = process.cpuUsage();
    const status = {
      name: this.name,
      pid: process.pid,
      stopping: this.#stopping,
      sockets: open.length,
      submits: this.#submits.size,
      bytesOut: open.reduce((sum, { connection }) => sum + connection.bytesWritten, this.#bytesOut),
      channels: Object.keys(this.redis.pubsub.subscribed).length,
      postgres: this.db.status(),
      redis: this.redis.status(),
      cpuSeconds: (user + system) / 1e6,
      residentBytes: process.memoryUsage().rss,
      lagMs: this.#lag.percentile(99) / 1e6,
    };
    this.#lag.reset();
    if (client === null) return status;
    const isHere = ({ src, clientId }) => (src ?? clientId) === client;
    return { ...status, here: [...this.#agents.values()].some(isHere) };
  }

  /** Closes the sockets that are open now, one after the other. Ends when all are closed. */
  async #sendAway(code, reason) {
    const sockets = [...this.#sockets.clients];
    for (const socket of sockets) {
      socket.close(code, reason);
      await pause(SPREAD_MS / sockets.length);
    }
  }

  /** Lets go of the clients, then of what they had under way, then of PostgreSQL and Redis. */
  async stop() {
    if (this.#stopping) return;
    this.#stopping = true;
    clearInterval(this.#pings);
    this.http.close();
    await this.#sendAway(GOING_AWAY, 'the server stops');
    // A submit without a client is still committed and published.
    const end = Date.now() + LAST_SUBMITS_MS;
    while (this.#submits.size > 0 && Date.now() < end) await pause(20);
    for (const socket of this.#sockets.clients) socket.terminate();
    await new Promise((resolve) => this.backend.close(resolve));
  }
}

/**
 * Starts a server process's work.
 * @param {{name: string, port: number, redisUrl: string, poolSize?: number, app?: object}} options
 */
export async function startServer({ name, port, redisUrl, poolSize = 10, app = {} }) {
  const server = new ClusterServer({ name, redisUrl, poolSize, app });
  const bound = await server.listen(port);
  return { server, port: bound };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({ options: { app: { type: 'string' } } });
  const {
    NAME = 'server',
    PORT = '8081',
    REDIS_URL = 'redis://127.0.0.1:6379',
    PGPOOL = '10',
  } = process.env;
  const app = values.app ? await import(pathToFileURL(values.app).href) : {};
  const options = {
    name: NAME,
    port: Number(PORT),
    redisUrl: REDIS_URL,
    poolSize: Number(PGPOOL),
    app,
  };
  const { server, port } = await startServer(options);
  console.log(`${NAME} listens on ${port}`);
  process.once('SIGTERM', async () => {
    // A Redis or PostgreSQL that does not answer must not keep the process.
    setTimeout(() => process.exit(1), SPREAD_MS + LAST_SUBMITS_MS + 5_000).unref();
    await server.stop();
    process.exit(0);
  });
}
