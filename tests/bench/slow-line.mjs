/**
 * A line of few bits a second before the server: a TCP proxy whose connections share what it can carry, each in turn, and whose
 * bytes take their time in either direction. It knows nothing of what is in them.
 */

import net from 'node:net';
import { TcpProxy } from './tcp-proxy.mjs';

/** Bytes that a connection may send before it is the next one's turn: a packet. */
const PACKET = 1460;
/** Bytes that wait for the line before their sender has to: what a socket's buffer holds. */
const BUFFER = 64 * 1024;
/** Milliseconds between two looks at what may be sent. */
const TICK = 2;

export class SlowLine extends TcpProxy {
  #ways = [];

  /**
   * @param {number} upstream port of the server on this machine
   * @param {{bitsPerSecond: number, roundTripMs: number}} line
   */
  static async start(upstream, { bitsPerSecond, roundTripMs }) {
    const line = new SlowLine();
    const way = () => new Way(bitsPerSecond / 8000, roundTripMs / 2);
    const [up, down] = (line.#ways = [way(), way()]);
    await line.listen((client) => {
      const server = net.connect(upstream, '127.0.0.1');
      for (const [from, to, by] of [
        [client, server, up],
        [server, client, down],
      ]) {
        line.track(from);
        by.carry(from, to);
      }
    });
    return line;
  }

  async close() {
    for (const way of this.#ways) way.close();
    await super.close();
  }
}

/** One direction of the line. */
class Way {
  /** Connections that have something to send, the next one first: `{from, to, chunks, bytes, ends}`. */
  #queue = [];
  #credit = 0;
  #last = performance.now();
  #timer;

  /**
   * @param {number} rate in bytes a millisecond
   * @param {number} delay in milliseconds
   */
  constructor(rate, delay) {
    this.rate = rate;
    this.delay = delay;
    this.#timer = setInterval(() => this.#send(), TICK);
  }

  close() {
    clearInterval(this.#timer);
  }

  carry(from, to) {
    const flow = { from, to, chunks: [], bytes: 0, ends: false };
    const wake = () => {
      if (!this.#queue.includes(flow)) this.#queue.push(flow);
    };
    from.on('data', (chunk) => {
      for (let at = 0; at < chunk.length; at += PACKET)
        flow.chunks.push(chunk.subarray(at, at + PACKET));
      flow.bytes += chunk.length;
      if (flow.bytes > BUFFER) from.pause();
      wake();
    });
    from.on('close', () => {
      flow.ends = true;
      wake();
    });
  }

  #send() {
    const now = performance.now();
    // A line that had nothing to carry has not saved up for it.
    this.#credit = Math.min(this.#credit + (now - this.#last) * this.rate, 10 * TICK * this.rate);
    this.#last = now;
    while (this.#queue.length && this.#credit > 0) {
      const flow = this.#queue.shift();
      const chunk = flow.chunks.shift();
      if (chunk) {
        this.#credit -= chunk.length;
        flow.bytes -= chunk.length;
        if (flow.bytes < BUFFER / 2) flow.from.resume();
        this.#later(() => flow.to.writable && flow.to.write(chunk));
      } else if (flow.ends) this.#later(() => flow.to.destroy());
      if (flow.chunks.length || (chunk && flow.ends)) this.#queue.push(flow);
    }
  }

  /** Timers of one length run in the order they were set, so bytes stay in order. */
  #later(call) {
    setTimeout(call, this.delay);
  }
}
