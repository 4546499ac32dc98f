/** What the projects run against: a real ShareDB server, and static servers of what was built. */

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';
import { promisify } from 'node:util';
import Backend from 'sharedb';
import { WebSocketServer } from 'ws';
import { WebSocketStream } from '../../examples/ws-stream.mjs';

const CONTENT_TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
};

/** A ShareDB server on its memory database. */
export class DocServer {
  static async start() {
    const server = new DocServer();
    server._backend = new Backend();
    server._http = createServer();
    server._made = 0;
    server._sockets = new WebSocketServer({ server: server._http });
    server._sockets.on('connection', (socket, request) => {
      server._backend.listen(new WebSocketStream(socket), request);
    });
    server.url = `ws://localhost:${await listen(server._http)}`;
    return server;
  }

  /** A new document; returns its id. */
  async create() {
    const id = `letter-${++this._made}`;
    const doc = this._backend.connect().get('letters', id);
    await promisify(doc.create.bind(doc))({ text: '' });
    return id;
  }

  /** Sockets that are open. */
  get open() {
    return this._sockets.clients.size;
  }

  close() {
    for (const client of this._sockets.clients) client.terminate();
    this._http.close();
  }
}

/** Serves a folder. */
export class StaticServer {
  /**
   * @param {string} root
   * @param {Record<string, string>} [headers] of every answer
   */
  static async start(root, headers = {}) {
    const server = new StaticServer();
    server._http = createServer((request, response) => answer(root, headers, request, response));
    server.url = `http://localhost:${await listen(server._http)}`;
    return server;
  }

  close() {
    this._http.closeAllConnections();
    this._http.close();
  }
}

async function listen(http) {
  await new Promise((resolve) => http.listen(0, resolve));
  return http.address().port;
}

async function answer(root, headers, request, response) {
  const { pathname } = new URL(request.url, 'http://localhost');
  const file = normalize(join(root, pathname.endsWith('/') ? `${pathname}index.html` : pathname));
  try {
    if (!file.startsWith(normalize(root + sep))) throw new Error('outside');
    const content = await readFile(file);
    const type = CONTENT_TYPES[extname(file)] ?? 'application/octet-stream';
    response.writeHead(200, { 'content-type': type, ...headers }).end(content);
  } catch {
    response.writeHead(404, headers).end();
  }
}
