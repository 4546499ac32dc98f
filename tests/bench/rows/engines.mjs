/**
 * From tab to tab in each engine that is installed: with a durable store and without, the browser's profile in memory and on the disk.
 *
 * An engine that is not installed misses its goals.
 */

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ENGINES, missing } from '../../browser/engines/engines.mjs';
import { Wire } from '../../browser/engines/wire.mjs';
import { until } from '../../until.mjs';
import { CLIENTS, middle, quantiles, samples } from '../bench.mjs';
import { launchProfile } from '../browser.mjs';
import { echo, pingPong } from '../ping-pong.mjs';
import { atMost, delivered } from '../table.mjs';
import { counters } from '../workload.mjs';

const COLLECTION = 'engines';
/** Where a profile is in memory. */
const IN_MEMORY = '/dev/shm';
/** Round trips in a round. */
const TRIPS = 20;

/** What a browser is driven with, for as long as `measure` runs. */
async function withBrowser(name, where, measure) {
  const why = missing(name);
  if (why) throw new Error(why);
  const home = where === 'memory' && existsSync(IN_MEMORY) ? IN_MEMORY : tmpdir();
  const profile = await mkdtemp(join(home, 'sharedb-proxy-bench-'));
  const wire = await Wire.open();
  const notes = { problems: [], said: [] };
  // Firefox rounds its clock to a millisecond, which is longer than what is measured.
  const preferences = { 'privacy.reduceTimerPrecision': false };
  const launch = { profile, insecure: 'app.test', notes, wire, preferences };
  const browser = await (name === 'chromium' ? launchPlain(profile) : ENGINES[name].launch(launch));
  try {
    return await measure(browser);
  } finally {
    await browser.close();
    await wire.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The tests' Chromium listens to its workers, which takes time. */
async function launchPlain(profile) {
  const context = await launchProfile(profile);
  return { newTab: () => context.newPage(), close: () => context.close() };
}

async function openTab(browser, url) {
  const tab = await browser.newTab();
  await tab.goto(url);
  await until('the page is connected', () => tab.evaluate(() => globalThis.bench?.isConnected()));
  return tab;
}

/** Both clients' two tabs on a document each, the second of which echoes. */
async function openPairs(browser, server, name, query) {
  const pairs = {};
  for (const client of CLIENTS) {
    const id = `${name}-${client}`;
    await server.create(COLLECTION, { [id]: counters() });
    const url = server.pageUrl(client) + query;
    const tabs = [await openTab(browser, url), await openTab(browser, url)];
    for (const tab of tabs)
      await tab.evaluate(([c, d]) => globalThis.bench.openAll(c, [d]), [COLLECTION, id]);
    await echo(tabs[1], COLLECTION, id);
    pairs[client] = { tab: tabs[0], id };
  }
  return pairs;
}

/**
 * @param {string} name an engine
 * @param {'memory' | 'disk'} where its profile is
 * @param {boolean} isDurable
 */
const measure = (name, where, isDurable) => async (bench) => {
  const server = await bench.server();
  const query = isDurable ? `&durable=engines-${name}-${where}` : '';
  const row = `${name}-${where}-${isDurable}`;
  return withBrowser(name, where, async (browser) => {
    const pairs = await openPairs(browser, server, row, query);
    const trips = (client) => {
      const { tab, id } = pairs[client];
      return pingPong(tab, COLLECTION, id, TRIPS);
    };
    for (const client of CLIENTS) await trips(client);
    const times = await samples(bench.rounds(16), async (client) => {
      const round = await trips(client);
      // Its clock has steps of a millisecond: single times say little, their sum does.
      return name === 'webkit' ? middle(round) : round;
    });
    return [quantiles(times, 0.5), quantiles(times, 0.99)];
  });
};

const PLACES = {
  chromium: { goal: atMost(0.5), profiles: ['memory', 'disk'] },
  firefox: { goal: atMost(0.7), profiles: ['memory', 'disk'] },
  // It keeps nothing on the disk when it is driven.
  webkit: { goal: atMost(0.7), profiles: ['memory'] },
};

export const groups = Object.entries(PLACES).flatMap(([name, { goal, profiles }]) =>
  profiles.flatMap((where) =>
    [true, false].map((isDurable) => {
      const what = `A → B in ${name}, ${isDurable ? 'durable' : 'not durable'}, profile ${where === 'disk' ? 'on disk' : 'in memory'}`;
      return {
        figures: [
          { figure: `${what}, p50 (ms)`, goal },
          { figure: `${what}, p99 (ms)`, goal: delivered },
        ],
        run: measure(name, /** @type {'memory' | 'disk'} */ (where), isDurable),
      };
    }),
  ),
);
