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

/**
 * The mean of the middle half, which is the median of up to three values. As deaf to outliers as the median, and finer
 * than the browser's clock, which has steps of a tenth of a millisecond.
 */
export function middle(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const cut = Math.floor((sorted.length + 1) / 4);
  const half = sorted.slice(cut, sorted.length - cut);
  return half.reduce((sum, value) => sum + value, 0) / half.length;
}

/** The least value: for work that nothing waits in, a busy machine only adds. */
export const least = (values) => Math.min(...values);

/**
 * Lets the clients take turns, each first in every other round, and gives the samples of each.
 *
 * @param {number} rounds
 * @param {(client: string, round: number) => Promise<number | number[]>} measure
 * @returns {Promise<{ours: number[], stock: number[]}>}
 */
export async function samples(rounds, measure) {
  const taken = { ours: [], stock: [] };
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 ? [...CLIENTS].reverse() : CLIENTS;
    for (const client of order) taken[client].push(await measure(client, round));
  }
  return { ours: taken.ours.flat(), stock: taken.stock.flat() };
}

/** The same, of which each gives the middle of its samples, or what else `pick` takes. */
export async function takeTurns(rounds, measure, pick = middle) {
  const { ours, stock } = await samples(rounds, measure);
  return { ours: pick(ours), stock: pick(stock) };
}

/** What so great a part of the values do not exceed. */
export const quantile = (values, part) =>
  values.toSorted((a, b) => a - b)[Math.ceil(part * values.length) - 1];

/** The same of each client's samples. */
export const quantiles = ({ ours, stock }, part) => ({
  ours: quantile(ours, part),
  stock: quantile(stock, part),
});
