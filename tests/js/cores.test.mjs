/** When a WebAssembly instance is dead, and what comes after it. */

import assert from 'node:assert/strict';
import { isDead } from '../../js-shim/src/cores/cores.js';
import { HostCore } from '../../js-shim/src/cores/host-core.js';
import { TabCore } from '../../js-shim/src/cores/tab-core.js';
import { typesBridge } from '../../js-shim/src/cores/types-bridge.js';
import './clients.mjs';
import { TRAP } from './trap.mjs';

const newTab = () => new TabCore(typesBridge, 'connecting');
const newHost = () => new HostCore(typesBridge, 1, true, false);

describe('a core', () => {
  it('is dead after a trap, as all of its instance, and the next one is not', () => {
    const [core, other] = [newTab(), newTab()];
    assert.throws(() => core.get('c', TRAP), WebAssembly.RuntimeError);
    assert.ok(isDead(core) && isDead(other));
    assert.throws(() => other.get('c', 'd'), { code: 'ERR_CORE_DEAD' });
    const next = newTab();
    assert.equal(next.get('c', 'd'), 0);
    assert.equal(isDead(next), false);
  });

  it('of a host outlives a core of a tab, and the other way round', () => {
    const [tab, host] = [newTab(), newHost()];
    assert.throws(() => tab.get('c', TRAP), WebAssembly.RuntimeError);
    assert.deepEqual([isDead(tab), isDead(host)], [true, false]);
    const second = newTab();
    assert.throws(() => host.handleTab('t', TRAP), WebAssembly.RuntimeError);
    assert.deepEqual([isDead(second), isDead(host)], [false, true]);
  });

  it('is dead after an exception of an import', () => {
    const core = new TabCore({ ...typesBridge, resolve: () => ({}) }, 'connecting');
    const doc = core.get('c', 'd');
    const create = () => core.create(doc, 'mine', '1', undefined, 1, false);
    assert.throws(create, TypeError);
    assert.ok(isDead(core));
  });

  it('lives on after an error of its own, and after an argument that cannot be converted', () => {
    const core = newTab();
    assert.throws(
      () => core.ping(),
      ([code]) => code === 'ERR_CANNOT_PING_OFFLINE',
    );
    assert.throws(() => core.get('c', undefined), TypeError);
    assert.equal(isDead(core), false);
    assert.equal(core.get('c', 'd'), 0);
  });
});
