/** A fresh project with the packed package installed in it, as a stranger has it. What npm installed is kept for the next run. */

import { spawn } from 'node:child_process';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const CACHE = path('../../target/packaging/');
const APP = path('app/');
/** A command that says nothing for so long, in milliseconds, hangs. */
const COMMAND_LIMIT = 240_000;
/** How long a development server may take to answer, in milliseconds. */
const SERVER_LIMIT = 60_000;

/** Packs the package; returns the path of the tarball. */
export async function pack() {
  const folder = join(CACHE, 'tarball');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const out = await run(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', folder],
    {
      cwd: path('../../js-shim'),
    },
  );
  const [{ filename, size }] = JSON.parse(out.slice(out.indexOf('[')));
  return { file: join(folder, filename), size };
}

export class Project {
  /**
   * @param {string} name
   * @param {object} row
   * @param {Record<string, string>} row.packages by name, the version
   * @param {Record<string, string>} [row.files] by name, what is in them
   * @param {object} [row.manifest] more of `package.json`
   */
  constructor(name, { packages, files = {}, manifest = {} }) {
    this.root = join(CACHE, name);
    this._packages = packages;
    this._files = files;
    this._manifest = { name: `packaging-${name}`, private: true, type: 'module', ...manifest };
  }

  /** Installs the packages, and the tarball beside them. */
  async make(tarball) {
    await mkdir(this.root, { recursive: true });
    const stamp = join(this.root, 'installed.json');
    const wanted = JSON.stringify([this._packages]);
    const manifest = join(this.root, 'package.json');
    if ((await readFile(stamp, 'utf8').catch(() => '')) !== wanted) {
      await rm(join(this.root, 'node_modules'), { recursive: true, force: true });
      await writeFile(
        manifest,
        JSON.stringify({ ...this._manifest, dependencies: this._packages }),
      );
      await this._npm();
      await writeFile(stamp, wanted);
    }
    await rm(join(this.root, 'node_modules/sharedb-proxy'), { recursive: true, force: true });
    const dependencies = { ...this._packages, 'sharedb-proxy': `file:${tarball}` };
    await writeFile(manifest, JSON.stringify({ ...this._manifest, dependencies }, null, 2));
    await this._npm();
    await this._write();
  }

  /** npm refuses a peer that does not fit. */
  _npm() {
    const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--no-package-lock'];
    return this.run('npm', ['install', '--prefer-offline', ...quiet]);
  }

  async _write() {
    await rm(join(this.root, 'dist'), { recursive: true, force: true });
    // Some bundlers read the settings of the nearest folder with a lock file. npm is told to leave it alone: the tarball changes.
    await writeFile(join(this.root, 'package-lock.json'), '{}');
    for (const [name, content] of Object.entries(this._files)) {
      const file = join(this.root, name);
      await mkdir(dirname(file), { recursive: true });
      if (content.startsWith('app/')) await cp(join(APP, content.slice(4)), file);
      else await writeFile(file, content);
    }
  }

  /** Runs a program of the project's to its end; returns what it says. */
  run(program, args, options = {}) {
    return run(this._find(program), args, { cwd: this.root, ...options });
  }

  _find(program) {
    return ['npm', 'node'].includes(program)
      ? program
      : join(this.root, 'node_modules/.bin', program);
  }

  /**
   * Starts a server of the project's, and waits until it answers.
   *
   * @param {(port: number) => string[]} command
   */
  async serve(command) {
    const port = await freePort();
    const [program, ...args] = command(port);
    const child = start(this._find(program), args, { cwd: this.root });
    const url = `http://localhost:${port}`;
    const end = Date.now() + SERVER_LIMIT;
    for (;;) {
      const answer = await fetch(url).catch(() => undefined);
      if (answer?.ok) break;
      if (child.exitCode !== null || Date.now() > end) {
        stop(child);
        throw new Error(`the development server does not answer:\n${child.said.slice(-2000)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return { url, said: () => child.said, close: () => stop(child) };
  }
}

/** Starts a program; what it says is in `said`. */
export function start(program, args, options) {
  const env = { ...process.env, NO_COLOR: '1', NEXT_TELEMETRY_DISABLED: '1', BROWSER: 'none' };
  delete env.NODE_OPTIONS;
  // A group of its own: servers start others.
  const child = spawn(program, args, {
    ...options,
    detached: true,
    env: { ...env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => (child.said += text));
  }
  child.on('error', (error) => (child.said += error.message));
  return child;
}

/** Ends a program, and what it has started. */
export function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}

/** Runs a program to its end; returns what it says. */
export async function run(program, args, options) {
  const child = start(program, args, options);
  const limit = setTimeout(() => stop(child), COMMAND_LIMIT);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearTimeout(limit);
  if (code === 0) return child.said;
  throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${child.said.slice(-3000)}`);
}

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
