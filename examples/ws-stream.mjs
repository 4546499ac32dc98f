/**
 * The stream that ShareDB's `backend.listen` reads, over one WebSocket of the `ws` package: an object on the
 * stream is a JSON text on the socket. It knows nothing of ShareDB's messages.
 */
import { Duplex } from 'node:stream';

/** WebSocket close code for data that this end cannot accept (RFC 6455, section 7.4.1). */
const UNACCEPTABLE_DATA = 1003;
const LONGEST_DELAY_MS = 1_000;

/** The query of the address that a socket is opened with. */
export const queryOf = ({ url }) => new URL(url, 'http://localhost').searchParams;

/** `?delay=N`: a server that is so many milliseconds away, each way. */
export const delayOf = (request) =>
  Math.min(Number(queryOf(request).get('delay')) || 0, LONGEST_DELAY_MS);

/** A duplex object stream over an accepted WebSocket; either end closing closes the other. */
export class WebSocketStream extends Duplex {
  #delayMs;

  /**
   * @param {import('ws').WebSocket} socket an open socket
   * @param {number} [delayMs] how long each message is on its way, as from far away; the order stays
   */
  constructor(socket, delayMs = 0) {
    super({ objectMode: true });
    this.socket = socket;
    this.#delayMs = delayMs;
    socket.on('message', (data) => this.#later(() => this.#receive(data.toString())));
    socket.on('error', () => socket.terminate());
    socket.on('close', () => {
      this.push(null);
      this.destroy();
    });
  }

  #later(then) {
    if (this.#delayMs > 0) setTimeout(then, this.#delayMs);
    else then();
  }

  #receive(text) {
    if (this.destroyed) return;
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      message = null;
    }
    // `null` would end the stream, and nothing but an object is a ShareDB message.
    if (message === null || typeof message !== 'object') {
      this.socket.close(UNACCEPTABLE_DATA, 'not a JSON object');
      return;
    }
    if (!this.push(message)) this.socket.pause();
  }

  _read() {
    if (this.socket.isPaused) this.socket.resume();
  }

  _write(message, _encoding, done) {
    const text = JSON.stringify(message);
    if (this.#delayMs > 0) {
      // The next one need not wait for this one to arrive.
      this.#later(() => this.#send(text, () => {}));
      done();
    } else this.#send(text, done);
  }

  #send(text, done) {
    // What is written after the socket is gone is dropped: the client asks for it again when it comes back.
    if (this.socket.readyState === this.socket.OPEN) this.socket.send(text, () => done());
    else done();
  }

  _final(done) {
    this.socket.close();
    done();
  }

  _destroy(error, done) {
    if (this.socket.readyState !== this.socket.CLOSED) this.socket.terminate();
    done(error);
  }
}
