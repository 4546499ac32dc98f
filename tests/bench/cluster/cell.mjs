/** One cell of the table: a fresh cluster, a load on it, and what the servers say before and after. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Cluster } from '../../../examples/cluster/cluster.mjs';

const LOAD = fileURLToPath(new URL('load.mjs', import.meta.url));

/**
 * @param {{client: 'ours' | 'stock', users: number, tabs: number, seconds: number, perSecond: number}} load
 * @returns {Promise<{sockets: number, cpuSeconds: number, residentMB: number, published: number, received: number,
 *   kilobytesOut: number, p50: number, p99: number, submitted: number, generatorCpuSeconds: number}>}
 */
export async function measureCell(load) {
  const cluster = await Cluster.start();
  const child = spawn(process.execPath, [LOAD, cluster.socketUrl, JSON.stringify(load)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async () => {
      const { value, done } = await lines.next();
      if (done) throw new Error('the load ended before it was done');
      return JSON.parse(value);
    };
    await next();
    const before = await sums(cluster);
    child.stdin.write('go\n');
    const told = await next();
    const after = await sums(cluster);
    if (told.failures) throw new Error(`${told.failures} failures under load`);
    return {
      sockets: after.sockets,
      cpuSeconds: after.cpuSeconds - before.cpuSeconds,
      residentMB: after.residentBytes / 2 ** 20,
      published: after.published - before.published,
      received: after.received - before.received,
      kilobytesOut: (after.bytesOut - before.bytesOut) / 1024,
      p50: told.p50,
      p99: told.p99,
      submitted: told.submitted,
      generatorCpuSeconds: told.cpuSeconds,
    };
  } finally {
    if (child.exitCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await cluster.stop();
  }
}

/** The figures of all servers together. */
async function sums({ servers }) {
  const sum = {
    sockets: 0,
    cpuSeconds: 0,
    residentBytes: 0,
    bytesOut: 0,
    published: 0,
    received: 0,
  };
  for (const server of servers) {
    const status = await server.status();
    for (const name of ['sockets', 'cpuSeconds', 'residentBytes', 'bytesOut'])
      sum[name] += status[name];
    for (const name of ['published', 'received']) sum[name] += status.redis[name];
  }
  return sum;
}
