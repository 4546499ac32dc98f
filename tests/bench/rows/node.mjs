/** One op at a time in Node, where the server, the client and another client are in one process. */

import { once } from 'node:events';
import { promisify } from 'node:util';
import Backend from 'sharedb';
import { createConnection } from 'sharedb-proxy';
import { least, takeTurns } from '../bench.mjs';
import { atMost } from '../table.mjs';

const OPS = 3000;

/** Microseconds of processor time of an op that is submitted, acknowledged and seen by another connection. */
async function oneAtATime(connect) {
  const backend = new Backend();
  const docs = [];
  for (let count = 0; count < 2; count++) {
    const connection = connect(backend);
    if (connection.state !== 'connected') await once(connection, 'connected');
    docs.push(connection.get('node', 'doc'));
  }
  const [doc] = docs;
  await promisify(doc.create.bind(doc))({ n: 0 });
  for (const each of docs) await promisify(each.subscribe.bind(each))();
  const submit = promisify(doc.submitOp.bind(doc));
  const submitMany = async (count) => {
    for (let n = 0; n < count; n++) await submit([{ p: ['n'], na: 1 }]);
  };
  // What runs often is compiled first.
  await submitMany(OPS / 2);
  globalThis.gc?.();
  const before = process.cpuUsage();
  await submitMany(OPS);
  const { user, system } = process.cpuUsage(before);
  for (const { connection } of docs) connection.close();
  return (user + system) / OPS;
}

const CLIENTS = { ours: createConnection, stock: (backend) => backend.connect() };
/** What is compared with the client as it is: one whose host records nothing. */
const RECORDERS = {
  ours: createConnection,
  stock: (backend) => createConnection(backend, { recorder: false }),
};

/** Lets two ways to connect take turns. */
const beside = (ways) => async (bench) => [
  await takeTurns(bench.rounds(5), (client) => oneAtATime(ways[client]), least),
];

export const groups = [
  {
    figures: [
      {
        figure: 'one op at a time, acknowledged, two connections in Node (CPU µs)',
        goal: atMost(1.5),
      },
    ],
    run: beside(CLIENTS),
  },
  {
    figures: [
      {
        figure: 'the same with the flight recorder, beside without (CPU µs)',
        goal: atMost(1.1, 'at most 1.1 × without'),
      },
    ],
    run: beside(RECORDERS),
  },
];
