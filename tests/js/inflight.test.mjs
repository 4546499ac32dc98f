/** What `doc.inflightOp` and `doc.pendingOps` say of when an op was sent: "unsaved for three seconds" is made of it. */

import { call, connect, sameAsStock, settle } from './clients.mjs';

const add = (n) => [{ p: ['n'], na: n }];

/** Lets a scenario say what time it is. */
async function withClock(run) {
  const { now } = Date;
  const clock = { time: 1000 };
  Date.now = () => clock.time;
  try {
    await run(clock);
  } finally {
    Date.now = now;
  }
}

/** A document at version 1 whose messages wait for the test. */
async function gated(client, backend) {
  const { connection, wire } = await connect(client, backend);
  const doc = connection.get('c', 'doc');
  await call(doc, 'create', { n: 0 });
  wire.gated = true;
  return { connection, wire, doc };
}

/** Logs what both lists say. */
function logOps(log, doc) {
  const told = (op) => op && { change: op.op ?? op.del ?? op.create, ...sendingOf(op) };
  log.add(told(doc.inflightOp), doc.pendingOps.map(told));
}

const sendingOf = ({ sentAt, retries }) => ({ sentAt, retries });

describe('an op on its way', () => {
  const scenarios = {
    'says when it was sent, and that it was not sent again': async (
      client,
      log,
      backend,
      clock,
    ) => {
      const { doc, wire } = await gated(client, backend);
      doc.submitOp(add(1));
      logOps(log, doc);
      clock.time = 2000;
      await settle();
      logOps(log, doc);
      clock.time = 3000;
      await settle();
      logOps(log, doc);
      await wire.exchange();
      logOps(log, doc);
    },
    'the next one is sent when it has ended': async (client, log, backend, clock) => {
      const { doc, wire } = await gated(client, backend);
      // Ours gives what follows to the host at once, and composes less for it.
      doc.preventCompose = true;
      for (const n of [1, 2, 3]) {
        doc.submitOp(add(n));
        await settle();
        logOps(log, doc);
      }
      for (clock.time = 2000; doc.hasPending(); clock.time += 1000) {
        wire.toServer();
        await settle();
        wire.toClient();
        await settle();
        logOps(log, doc);
      }
    },
    'is sent again with every reconnect': async (client, log, backend, clock) => {
      const { connection, doc } = await gated(client, backend);
      doc.submitOp(add(1));
      doc.del();
      await settle();
      for (clock.time = 2000; clock.time < 5000; clock.time += 1000) {
        connection.close();
        await settle();
        logOps(log, doc);
        backend.connect(connection);
        // The handshake is through, and the server has not answered the op.
        connection.once('connected', () => logOps(log, doc));
        await settle();
        logOps(log, doc);
      }
    },
    'that waited offline was not sent before': async (client, log, backend, clock) => {
      const { connection, doc } = await gated(client, backend);
      connection.close();
      doc.submitOp(add(1));
      await settle();
      logOps(log, doc);
      clock.time = 2000;
      connection.once('connected', () => logOps(log, doc));
      backend.connect(connection);
      await settle();
      logOps(log, doc);
    },
    'that was refused is forgotten': async (client, log, backend, clock) => {
      backend.use('submit', ({ op }, next) => next(op.op && new Error('refused')));
      const { doc, wire } = await gated(client, backend);
      for (const n of [1, 2]) {
        doc.submitOp(add(n), log.callback(n));
        await settle();
      }
      clock.time = 2000;
      logOps(log, doc);
      wire.toServer();
      await settle();
      wire.toClient();
      await settle();
      logOps(log, doc);
      while (doc.hasPending()) await wire.exchange();
      logOps(log, doc);
    },
    'a create, and what follows it': async (client, log, backend, clock) => {
      const { connection, wire } = await connect(client, backend);
      wire.gated = true;
      const doc = connection.get('c', 'new');
      doc.create({ n: 0 });
      await settle();
      clock.time = 2000;
      doc.submitOp(add(1));
      await settle();
      logOps(log, doc);
      while (doc.hasPending()) {
        await wire.exchange();
        logOps(log, doc);
      }
    },
  };
  for (const [name, scenario] of Object.entries(scenarios)) {
    it(name, () =>
      withClock((clock) =>
        sameAsStock((client, log, backend) => {
          clock.time = 1000;
          return scenario(client, log, backend, clock);
        }),
      ),
    );
  }
});
