/** What TCP proxies before the server have in common: a free port of this machine, and the sockets that are open. */

import net from 'node:net';

export class TcpProxy {
  #sockets = new Set();
  #server;

  /** @param {(client: net.Socket) => void} accept called with each new connection */
  async listen(accept) {
    this.#server = net.createServer(accept);
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.port = this.#server.address().port;
  }

  /** Has a socket of either side dropped with the others, and what is written to it sent at once. */
  track(socket) {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }

  /** Ends all connections. */
  drop() {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close() {
    this.drop();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
