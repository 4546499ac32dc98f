/**
 * A TCP proxy before the server that delays what passes, counts it, and can cut it off. It knows nothing of what is
 * in the bytes.
 */

import net from 'node:net';
import { TcpProxy } from './tcp-proxy.mjs';

export class DelayProxy extends TcpProxy {
  /** Milliseconds that each direction takes; set it at any time. */
  delayMs = 0;
  /** Whether new connections are refused. */
  #isCut = false;
  /** What the server sent while it was held back, or null. */
  #held = null;
  /** Bytes from the server, and connections made, since `reset`. */
  bytes = 0;
  connections = 0;

  /** @param {number} upstream port of the server on this machine */
  static async start(upstream) {
    const proxy = new DelayProxy();
    await proxy.listen((client) => proxy.#connect(client, upstream));
    return proxy;
  }

  #connect(client, upstream) {
    if (this.#isCut) return client.destroy();
    this.connections++;
    const server = net.connect(upstream, '127.0.0.1');
    this.#pass(client, server, (write) => this.#later(write));
    this.#pass(server, client, (write, chunk) => {
      this.bytes += chunk.length;
      if (this.#held) this.#held.push(write);
      else this.#later(write);
    });
  }

  #pass(from, to, carry) {
    this.track(from);
    from.on('data', (chunk) => carry(() => to.writable && to.write(chunk), chunk));
    from.on('close', () => this.#later(() => to.destroy()));
  }

  /** Timers of one length run in the order they were set, so bytes stay in order. */
  #later(call) {
    if (this.delayMs > 0) setTimeout(call, this.delayMs);
    else call();
  }

  reset() {
    this.bytes = 0;
    this.connections = 0;
  }

  /** Holds back what the server sends, until `release`. */
  hold() {
    this.#held = [];
  }

  release() {
    const held = this.#held ?? [];
    this.#held = null;
    for (const write of held) write();
  }

  /** Drops all connections and refuses new ones. */
  cut() {
    this.#isCut = true;
    this.drop();
  }

  restore() {
    this.#isCut = false;
  }

  async close() {
    this.cut();
    await super.close();
  }
}
