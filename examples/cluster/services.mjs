/**
 * PostgreSQL, Redis, nginx and server processes as children of this one, on free ports, with directories of their own: for
 * the demo, the tests and the bench. On your machines an init system does this; what it has to start with stands here.
 *
 * PostgreSQL refuses to run as root. Where this process is root, all three run as `nobody`: Node's `spawn` takes a `uid` and a
 * `gid`, and the directories are given to that user before.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const HOST = '127.0.0.1';
const USER = 'sharedb';
/** Milliseconds within which something that was started has to answer. */
const START_MS = 120_000;
const LOOK_MS = 25;
/** How much of what a program says is kept for its failure, in characters. */
const LAST_WORDS = 4_000;

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** A port that nothing listens on. */
export async function freePort() {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Who runs the programs, where this process is root. */
function unprivileged() {
  if (process.getuid?.() !== 0) return {};
  const id = (what) => Number(execFileSync('id', [what, 'nobody'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

/** A directory that goes with the cluster. The programs' user can reach it. */
export class Place {
  constructor() {
    this.path = mkdtempSync(join(tmpdir(), 'sharedb-cluster-'));
    this.user = unprivileged();
    this.#give(this.path);
  }

  /** A directory in it. */
  folder(name) {
    const path = join(this.path, name);
    mkdirSync(path);
    this.#give(path);
    return path;
  }

  #give(path) {
    const { uid, gid } = this.user;
    if (uid !== undefined) chownSync(path, uid, gid);
    chmodSync(path, 0o700);
  }

  remove() {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A program that runs until it is stopped, and can be started again. */
export class Service {
  #child = null;
  #lastWords = '';

  /**
   * @param {object} options
   * @param {string} options.name
   * @param {() => [program: string, args: string[], options?: object]} options.command
   * @param {() => Promise<boolean>} options.isUp
   * @param {(line: string) => void} [options.log]
   */
  constructor({ name, command, isUp, log = () => {} }) {
    Object.assign(this, { name, command, isUp, log });
  }

  get pid() {
    return this.#child?.pid;
  }

  get runs() {
    return this.#child !== null;
  }

  async start() {
    const [program, args, options] = this.command();
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        this.#lastWords = (this.#lastWords + text).slice(-LAST_WORDS);
        for (const line of text.split('\n').filter(Boolean)) this.log(`${this.name}: ${line}`);
      });
    }
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#lastWords += error.message;
        resolve();
      });
      child.once('exit', resolve);
    }).then(() => {
      if (this.#child === child) this.#child = null;
    });
    await this.#up();
  }

  async #up() {
    const end = Date.now() + START_MS;
    while (!(await this.isUp())) {
      if (!this.runs || Date.now() > end) {
        throw new Error(`${this.name} does not start:\n${this.#lastWords}`);
      }
      await pause(LOOK_MS);
    }
  }

  /** Asks it to end, or ends it. @param {NodeJS.Signals} [signal] */
  async stop(signal = 'SIGTERM') {
    this.#child?.kill(signal);
    await this.ended;
  }

  /** @param {NodeJS.Signals} signal */
  signal(signal) {
    this.#child?.kill(signal);
  }

  /** @param {NodeJS.Signals} [signal] how it is ended before */
  async restart(signal) {
    await this.stop(signal);
    await this.start();
  }
}

/** Whether something takes connections on the port. */
const accepts = (port) =>
  new Promise((resolve) => {
    const socket = createConnection(port, HOST);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

/** @param {{programs: object, place: Place, log?: (line: string) => void}} context */
export async function makePostgres({ programs, place, log }) {
  const folder = place.folder('postgres');
  const port = await freePort();
  const set = ['--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync', `--username=${USER}`];
  // A text: the error has it in its message, and is printed with it.
  execFileSync(programs.initdb, ['-D', folder, ...set], {
    ...place.user,
    cwd: '/',
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const args = [
    '-D',
    folder,
    '-p',
    String(port),
    '-k',
    folder,
    '-h',
    HOST,
    '-c',
    'max_connections=100',
  ];
  const service = new Service({
    name: 'postgres',
    command: () => [programs.postgres, args, { ...place.user, cwd: '/' }],
    isUp: () => answers(service.client),
    log,
  });
  service.port = port;
  service.env = { PGHOST: HOST, PGPORT: String(port), PGUSER: USER, PGDATABASE: 'postgres' };
  service.client = { host: HOST, port, user: USER, database: 'postgres' };
  return service;
}

/** A PostgreSQL that takes connections may still refuse questions: it is starting up. */
async function answers(config) {
  const client = await connectPostgres(config).catch(() => null);
  await client?.end();
  return client !== null;
}

/** A client of PostgreSQL, connected. */
export async function connectPostgres(config) {
  const { default: pg } = await import('pg');
  const client = new pg.Client(config);
  client.on('error', () => {});
  await client.connect();
  return client;
}

export async function makeRedis({ programs, place, log }) {
  const port = await freePort();
  // It has nothing to keep: what is published is in PostgreSQL.
  const args = [
    '--port',
    String(port),
    '--bind',
    HOST,
    '--dir',
    place.folder('redis'),
    '--save',
    '',
    '--appendonly',
    'no',
  ];
  const service = new Service({
    name: 'redis',
    command: () => [programs['redis-server'], args, { ...place.user, cwd: '/' }],
    isUp: () => accepts(port),
    log,
  });
  service.url = `redis://${HOST}:${port}`;
  return service;
}

/**
 * @param {object} context
 * @param {{servers: number[], application: number, port?: number, shutdownSeconds?: number}} ports
 */
export async function makeNginx({ programs, place, log }, ports) {
  const { servers, application, shutdownSeconds = 30 } = ports;
  const port = ports.port || (await freePort());
  const folder = place.folder('nginx');
  const path = join(folder, 'nginx.conf');
  const values = {
    DIR: folder,
    PORT: String(port),
    APPLICATION: String(application),
    SHUTDOWN: `${shutdownSeconds}s`,
    SERVERS: servers
      .map((port) => `    server ${HOST}:${port} max_fails=1 fail_timeout=1s;`)
      .join('\n'),
  };
  const text = readFileSync(here('nginx.conf'), 'utf8').replace(
    /\$\{(\w+)\}/g,
    (_, name) => values[name] ?? '',
  );
  writeFileSync(path, text, { mode: 0o644 });
  const service = new Service({
    name: 'nginx',
    command: () => [
      programs.nginx,
      ['-e', 'stderr', '-p', folder, '-c', path, '-g', 'daemon off;'],
      { ...place.user, cwd: '/' },
    ],
    isUp: () => accepts(port),
    log,
  });
  service.port = port;
  service.url = `http://${HOST}:${port}`;
  /** New workers take what comes from now on. */
  service.reload = () => service.signal('SIGHUP');
  return service;
}

/**
 * @param {{log?: (line: string) => void}} context
 * @param {{number: number, postgres: object, redis: object, app?: string, env?: object}} options
 */
export async function makeServer({ log }, { number, postgres, redis, app, env }) {
  const port = await freePort();
  const name = `server-${number}`;
  const args = [here('server.mjs'), ...(app ? ['--app', app] : [])];
  const variables = {
    ...process.env,
    ...postgres.env,
    REDIS_URL: redis.url,
    NAME: name,
    PORT: String(port),
    ...env,
  };
  const service = new Service({
    name,
    command: () => [process.execPath, args, { env: variables }],
    isUp: () => accepts(port),
    log,
  });
  service.port = port;
  service.status = async (client) => {
    const query = client === undefined ? '' : `?client=${encodeURIComponent(client)}`;
    const answer = await fetch(`http://${HOST}:${port}/status${query}`, {
      signal: AbortSignal.timeout(5_000),
    });
    return answer.json();
  };
  return service;
}
