/** What an application sees when a machine crashes, or would have. */

import assert from 'node:assert/strict';
import { isDead } from '../../js-shim/src/cores.js';
import { Backend, call, connect, ours, settle, stock } from './clients.mjs';

const add = [{ p: ['n'], na: 1 }];

/** Names of what engines throw where the stack ends. */
const isOverflow = ({ name }) => name === 'RangeError';

/** A connected document that calls itself by its `op` event, and what its callbacks were given. */
async function recursive(client, listen) {
  const backend = new Backend();
  const { connection, wire } = await connect(client, backend);
  const doc = connection.get('c', 'd');
  await call(doc, 'create', { n: 0 });
  const ends = [];
  const state = { submitted: 0, connection, wire, doc, ends };
  const submit = () => {
    state.submitted += 1;
    doc.submitOp(add, (error) => ends.push(error));
  };
  const listener = () => listen(submit, doc);
  doc.on('op', listener);
  try {
    submit();
  } catch (error) {
    state.thrown = error;
  }
  doc.off('op', listener);
  await settle();
  return state;
}

for (const [name, client] of Object.entries({ stock, ours })) {
  describe(`a listener that submits without end (${name})`, () => {
    it('gets the end of the stack as an error, and the next op is committed', async () => {
      const { submitted, doc, ends, connection } = await recursive(client, (submit) => submit());
      assert.ok(submitted > 50, `${submitted} levels`);
      // The one that did not fit was not taken.
      assert.ok(submitted - ends.length <= 1, `${submitted} submitted, ${ends.length} ended`);
      assert.ok(ends.every(isOverflow));
      assert.deepEqual([doc.data, doc.version, connection.state], [{ n: 0 }, 1, 'connected']);
      await call(doc, 'submitOp', add);
      assert.deepEqual([doc.data, doc.version], [{ n: 1 }, 2]);
    });

    it('may catch it, and all that fitted is committed', async () => {
      const { submitted, doc, ends } = await recursive(client, (submit) => {
        try {
          submit();
        } catch (error) {
          if (!isOverflow(error)) throw error;
        }
      });
      assert.ok(submitted > 50, `${submitted} levels`);
      const committed = ends.filter((error) => !error).length;
      assert.equal(doc.data.n, committed);
      await call(doc, 'submitOp', add);
      assert.deepEqual(doc.data, { n: committed + 1 });
    });
  });
}

describe('a listener that submits without end', () => {
  it('leaves the machine alive when it asks and reads at the end of the stack, too', async () => {
    let deepest = 0;
    const { connection, doc } = await recursive(ours, (submit, doc) => {
      const deepen = () => {
        deepest += 1;
        void [doc.version, doc.hasWritePending(), doc.connection.state];
        doc.fetch();
        doc.flush();
        deepen();
      };
      try {
        submit();
      } catch (error) {
        if (!deepest) deepen();
        throw error;
      }
    });
    assert.ok(deepest > 0);
    assert.equal(isDead(connection._core), false);
    await call(doc, 'submitOp', add);
    assert.equal(doc.hasPending(), false);
  });
});
