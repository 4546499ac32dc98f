/** What the other tests wait with. */

import assert from 'node:assert/strict';
import { settle, until } from './settle.mjs';

/** More than any fixed number of turns that somebody might take for enough. */
const STEPS = 100;

describe('settle', () => {
  it('ends after immediates that make immediates', async () => {
    let left = STEPS;
    const next = () => --left && setImmediate(next);
    setImmediate(next);
    await settle();
    assert.equal(left, 0);
  });

  it('ends after messages that ports send to and fro', async () => {
    const { port1, port2 } = new MessageChannel();
    let left = STEPS;
    port1.onmessage = () => --left && port1.postMessage(0);
    port2.onmessage = () => --left && port2.postMessage(0);
    port1.postMessage(0);
    await settle();
    assert.equal(left, 0);
    port1.close();
  });

  it('ends after a message that is posted while another is taken', async () => {
    const { port1, port2 } = new MessageChannel();
    let taken = 0;
    port1.onmessage = () => (taken += 1);
    const first = new Promise((resolve) => (port2.onmessage = resolve));
    port1.postMessage(0);
    await first;
    port2.postMessage(0);
    await settle();
    assert.equal(taken, 1);
    port1.close();
  });

  it('ends for several that wait at once', async () => {
    let left = STEPS;
    const next = () => --left && setImmediate(next);
    setImmediate(next);
    const seen = await Promise.all([1, 2, 3].map(() => settle().then(() => left)));
    assert.deepEqual(seen, [0, 0, 0]);
  });

  it('fails where something never ends', async () => {
    let ends = false;
    const next = () => ends || setImmediate(next);
    setImmediate(next);
    await assert.rejects(settle(20), /never settles: 1 immediates, 0 messages/);
    ends = true;
  });
});

describe('until', () => {
  it('ends when the condition holds, and gives what it gave', async () => {
    let found;
    setTimeout(() => (found = 'it'), 1);
    assert.equal(await until('it is found', () => found), 'it');
  });

  it('fails with the name of the condition', async () => {
    await assert.rejects(
      until('it is found', () => false, undefined, 20),
      /waited 20 ms in vain until it is found/,
    );
  });
});
