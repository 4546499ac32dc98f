/** The server of the browser rows: a stock ShareDB backend on its memory database, behind a proxy, and the bench page. */

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';
import { promisify } from 'node:util';
import Backend from 'sharedb';
import { WebSocketServer } from 'ws';
import { WebSocketStream } from '../../examples/ws-stream.mjs';
import { DelayProxy } from './delay-proxy.mjs';

const HOST = '127.0.0.1';
const CONTENT_TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
};

export class Server {
  /** @param {string} root directory of the built page */
  static async start(root) {
    const server = new Server();
    server.backend = new Backend({ presence: true, doNotForwardSendPresenceErrorsToClient: true });
    server.http = createServer((request, response) => answer(root, request, response));
    new WebSocketServer({ server: server.http }).on('connection', (socket, request) => {
      server.backend.listen(new WebSocketStream(socket), request);
    });
    await new Promise((resolve) => server.http.listen(0, HOST, resolve));
    const { port } = server.http.address();
    server.proxy = await DelayProxy.start(port);
    server.origin = `http://${HOST}:${port}`;
    return server;
  }

  /** Where the clients connect: through the proxy. */
  get socketUrl() {
    return `ws://${HOST}:${this.proxy.port}/`;
  }

  /**
   * @param {string} client `ours` or `stock`
   * @param {string} [url] where it connects
   */
  pageUrl(client, url = this.socketUrl) {
    return `${this.origin}/index.html?client=${client}&url=${encodeURIComponent(url)}`;
  }

  /** Creates documents: `{id: data}`. */
  async create(collection, docs) {
    const connection = this.backend.connect();
    for (const [id, data] of Object.entries(docs)) {
      const doc = connection.get(collection, id);
      await promisify(doc.create.bind(doc))(data);
    }
    connection.close();
  }

  /** Submits ops one after the other, as another client. */
  async submit(collection, id, ops) {
    const connection = this.backend.connect();
    const doc = connection.get(collection, id);
    await promisify(doc.fetch.bind(doc))();
    for (const op of ops) await promisify(doc.submitOp.bind(doc))(op);
    connection.close();
  }

  async close() {
    await this.proxy.close();
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }
}

async function answer(root, request, response) {
  const { pathname } = new URL(request.url, `http://${HOST}`);
  const path = normalize(join(root, pathname));
  try {
    if (!path.startsWith(root + sep)) throw new Error('outside the page');
    const bytes = await readFile(path);
    response.writeHead(200, {
      'content-type': CONTENT_TYPES[extname(path)] ?? 'application/octet-stream',
    });
    response.end(bytes);
  } catch {
    response.writeHead(404).end();
  }
}
