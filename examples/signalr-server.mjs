/**
 * A server that speaks SignalR's JSON protocol over WebSockets, as far as its client needs: handshake, invocations and their
 * completions, pings, close. There is no negotiation: clients skip it.
 */

import { WebSocketServer } from 'ws';

/** Ends each message of the protocol. */
const END = '\u001e';
/** Types of messages. */
const [INVOCATION, COMPLETION, PING, CLOSE] = [1, 3, 6, 7];

export class SignalRServer {
  /**
   * @param {object} options
   * @param {Record<string, (...args: any[]) => any>} [options.methods] that clients can invoke
   * @param {(token: string | null) => boolean} [options.isAllowed] a client with another token is refused
   * @param {number} [options.pingEvery] milliseconds
   */
  constructor({ methods = {}, isAllowed = () => true, pingEvery = 5_000 } = {}) {
    this._methods = methods;
    this._isAllowed = isAllowed;
    /** The tokens of all clients that came, in that order. @type {(string | null)[]} */
    this.tokens = [];
    /** Clients whose handshake is done. @type {Set<import('ws').WebSocket>} */
    this.clients = new Set();
    this._sockets = new WebSocketServer({ noServer: true });
    this._pings = setInterval(() => this._toAll({ type: PING }), pingEvery);
    this._pings.unref();
  }

  /** Takes a WebSocket upgrade of an HTTP server. */
  upgrade(request, socket, head) {
    const { searchParams } = new URL(request.url, 'http://localhost');
    // A browser's WebSocket has no headers of its own.
    const [, bearer] = /^Bearer (.*)$/.exec(request.headers.authorization ?? '') ?? [];
    const token = bearer ?? searchParams.get('access_token');
    const isAllowed = this._isAllowed(token);
    this.tokens.push(token);
    if (!isAllowed) return void socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n');
    this._sockets.handleUpgrade(request, socket, head, (client) => this._meet(client));
  }

  _meet(client) {
    let isMet = false;
    client.on('message', (data) => {
      for (const text of String(data).split(END).filter(Boolean)) {
        const message = JSON.parse(text);
        if (isMet) void this._receive(client, message);
        else {
          isMet = true;
          const error = message.protocol === 'json' ? {} : { error: 'only JSON is spoken here' };
          send(client, error);
          this.clients.add(client);
        }
      }
    });
    client.on('close', () => this.clients.delete(client));
    client.on('error', () => {});
  }

  async _receive(client, { type, invocationId, target, arguments: args }) {
    if (type === CLOSE) return client.close();
    if (type !== INVOCATION) return;
    let completion;
    try {
      const method = this._methods[target];
      if (!method) throw new Error(`There is no method ${target}`);
      completion = { result: (await method(...args)) ?? null };
    } catch (error) {
      completion = { error: error.message };
    }
    if (invocationId !== undefined) send(client, { type: COMPLETION, invocationId, ...completion });
  }

  _toAll(message) {
    for (const client of this.clients) send(client, message);
  }

  /** Calls a method of all clients. */
  invoke(target, ...args) {
    this._toAll({ type: INVOCATION, target, arguments: args });
  }

  /** Closes all clients as a server does that is shut down. */
  close() {
    this._toAll({ type: CLOSE, error: 'the server closes' });
    for (const client of this.clients) client.close();
  }

  /** Cuts all clients off. */
  cut() {
    for (const client of this._sockets.clients) client.terminate();
  }

  end() {
    clearInterval(this._pings);
    this.cut();
  }
}

function send(client, message) {
  client.send(JSON.stringify(message) + END);
}
