/** What a cluster is spared: the same users and tabs on stock clients and on ours, in front of the same servers. */

import { measureCell } from '../cluster/cell.mjs';
import { atMost } from '../table.mjs';

const USERS = 50;
const TABS = [1, 3, 10];
const SECONDS = 15;
/** How often a user edits. */
const PER_SECOND = 0.5;

const WORDS = {
  sockets: 'server sockets',
  cpuSeconds: "servers' CPU seconds",
  residentMB: "servers' resident MB",
  published: 'messages to Redis',
  received: 'messages from Redis',
  kilobytesOut: 'kB out',
  p50: 'op to other user, p50 ms',
  p99: 'op to other user, p99 ms',
  generatorCpuSeconds: "the generator's own CPU seconds",
};

/** With one tab a user there is nothing to share; with more, what is shared has to show. */
const goalOf = (name, tabs) => {
  if (name === 'sockets') return atMost(1 / tabs);
  if (name === 'generatorCpuSeconds') return { text: 'none', met: () => true };
  if (tabs === 1 || ['p50', 'p99', 'published', 'received'].includes(name)) return atMost(1.5);
  return atMost(1);
};

export const groups = TABS.map((tabs) => ({
  figures: Object.entries(WORDS).map(([name, words]) => ({
    figure: `cluster, ${USERS} users with ${tabs} tab${tabs === 1 ? '' : 's'}: ${words}`,
    goal: goalOf(name, tabs),
  })),
  async run(bench) {
    const seconds = bench.quick ? Math.ceil(SECONDS / 3) : SECONDS;
    const load = { users: USERS, tabs, seconds, perSecond: PER_SECOND };
    const stock = await measureCell({ ...load, client: 'stock' });
    const ours = await measureCell({ ...load, client: 'ours' });
    return Object.keys(WORDS).map((name) => ({ ours: ours[name], stock: stock[name] }));
  },
}));
