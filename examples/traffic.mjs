/** What the server counts of the clients that name themselves by `?client=`: their sockets, and the bytes on them. */

/** How many names are kept; the oldest is forgotten. */
const MOST_CLIENTS = 64;

export class Traffic {
  #clients = new Map();

  /**
   * Counts a socket until it closes, its handshake too.
   * @param {string} client
   * @param {import('node:net').Socket} socket
   */
  count(client, socket) {
    if (!this.#clients.has(client) && this.#clients.size >= MOST_CLIENTS)
      this.#clients.delete(this.#clients.keys().next().value);
    const counted = this.#clients.get(client) ?? { open: new Set(), received: 0, sent: 0 };
    this.#clients.set(client, counted);
    counted.open.add(socket);
    socket.on('close', () => {
      counted.open.delete(socket);
      counted.received += socket.bytesRead;
      counted.sent += socket.bytesWritten;
    });
  }

  /** By the names of clients: how many sockets are open, and the bytes on all that there were. */
  status() {
    const sumOf = ({ open, received, sent }) => ({
      sockets: open.size,
      received: [...open].reduce((sum, { bytesRead }) => sum + bytesRead, received),
      sent: [...open].reduce((sum, { bytesWritten }) => sum + bytesWritten, sent),
    });
    return Object.fromEntries([...this.#clients].map(([name, client]) => [name, sumOf(client)]));
  }
}
