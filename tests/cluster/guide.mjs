/** The code of docs/cluster.md runs: the server's with PostgreSQL and Redis, the page's through nginx. */

import assert from 'node:assert/strict';
import * as client from 'sharedb-proxy';
import { blocksOf, read, runBlock } from '../js/docs-blocks.mjs';
import { call, until } from './browser.mjs';

const BLOCKS = blocksOf(read('docs/cluster.md'));

/** What the page's code and the server's are given, and what has to come of them. */
const GUIDES = {
  'The server process 1': async (cluster, code) => {
    const modules = Object.fromEntries(
      await Promise.all(
        ['sharedb', 'sharedb-postgres', 'sharedb-redis-pubsub', 'redis'].map(async (name) => [
          name,
          await import(name),
        ]),
      ),
    );
    const errors = [];
    const scope = { redisUrl: cluster.redis.url, report: (error) => errors.push(error) };
    Object.assign(process.env, cluster.postgres.env);
    const { backend } = await runBlock(code, modules, scope, cluster.socketUrl);
    const doc = backend.connect().get('guide', 'doc');
    await call(doc, 'create', { text: 'made by the guide' });
    await cluster.redis.restart();
    await cluster.postgres.restart('SIGINT');
    await until('both are missed', () => errors.length >= 2);
    await until('PostgreSQL is back', () =>
      call(doc, 'fetch').then(
        () => true,
        () => false,
      ),
    );
    assert.deepEqual(doc.data, { text: 'made by the guide' });
    await new Promise((resolve) => backend.close(resolve));
  },
  'What the page does 1': async (cluster, code) => {
    const shown = [];
    const storage = new client.InMemoryStorage();
    // Node has no IndexedDB, which is what `true` asks for.
    const createConnection = (url, options) =>
      client.createConnection(url, { ...options, durableStore: { storage } });
    const modules = { 'sharedb-proxy': { ...client, createConnection } };
    const scope = { user: { id: 'ada' }, show: (data) => shown.push(data) };
    const { connection } = await runBlock(code, modules, scope, cluster.socketUrl);
    await until('it shows the document', () => shown.length > 0);
    await connection.close();
  },
};

/** The tests by their names. */
export const guides = BLOCKS.map(({ name, code }) => [
  `docs/cluster.md: ${name}`,
  (cluster) => {
    const guide = GUIDES[name];
    assert.ok(guide, `nobody runs the block ${name}`);
    return guide(cluster, code);
  },
]);
