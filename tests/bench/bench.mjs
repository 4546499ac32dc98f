/** What the rows share: the rounds, one server, one browser; both are started when a row first needs them. */

import { Browser } from './browser.mjs';
import { buildPage } from './build-page.mjs';
import { Server } from './server.mjs';

export const CLIENTS = ['ours', 'stock'];

export class Bench {
  #server;
  #browser;

  /** @param {{quick: boolean}} options */
  constructor({ quick }) {
    this.quick = quick;
  }

  /** How often to repeat something: `--quick` does with fewer. */
  rounds(count) {
    return this.quick ? Math.ceil(count / 4) : count;
  }

  /** The ShareDB server, with the bench page and the proxy before it. */
  server() {
    this.#server ??= buildPage().then((root) => Server.start(root));
    return this.#server;
  }

  /** Chromium, shared by the rows that do not need one of their own. */
  browser() {
    this.#browser ??= Browser.launch();
    return this.#browser;
  }

  async close() {
    await (await this.#browser)?.close();
    await (await this.#server)?.close();
  }
}

/** The middle value. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Lets the clients take turns, each first in every other round, and gives each its median.
 *
 * @param {number} rounds
 * @param {(client: string, round: number) => Promise<number | number[]>} measure
 * @returns {Promise<{ours: number, stock: number}>}
 */
export async function takeTurns(rounds, measure) {
  const samples = { ours: [], stock: [] };
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 ? [...CLIENTS].reverse() : CLIENTS;
    for (const client of order) samples[client].push(await measure(client, round));
  }
  return { ours: median(samples.ours.flat()), stock: median(samples.stock.flat()) };
}
