/** The SignalR hub of the session demo. */
import { SignalRServer } from './signalr-server.mjs';

const TICK_MS = 1_000;

/** It ticks, takes each token once, and adds. */
export class DemoHub extends SignalRServer {
  #ticks = 0;
  #timer = setInterval(() => this.invoke('tick', ++this.#ticks), TICK_MS);

  constructor() {
    super({
      methods: { add: (a, b) => a + b, say: (text) => this.invoke('news', text) },
      isAllowed: (token) => token !== null && !this.tokens.includes(token),
    });
  }

  status() {
    return { clients: this.clients.size, tokens: this.tokens };
  }

  end() {
    clearInterval(this.#timer);
    super.end();
  }
}
