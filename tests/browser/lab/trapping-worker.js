/**
 * A worker whose machine traps while it is at something:
 *
 *   trapping-worker.js?cause=0&mark=text
 *   trapping-worker.js?always
 *
 * `cause` is that of `HostDoing`, and `mark` a part of its text. It traps where it asks for an OT type: from there an exception
 * goes through the machine as a trap does. With `always` it traps over nothing, as soon as it has a tab. The BroadcastChannel of the
 * worker's name tells of each `worker` that is started and of each `life` of a host in it.
 */

import { serve } from 'sharedb-proxy/worker';
import { HostCore } from '../../../js-shim/src/cores.js';
import { TRAP } from '../../js/trap.mjs';
import { typesBridge } from '../../../js-shim/src/types-bridge.js';

const query = new URLSearchParams(location.search);
const cause = Number(query.get('cause'));
const mark = query.get('mark');

const channel = new BroadcastChannel(self.name);
let begun;
const { doing } = HostCore.prototype;
HostCore.prototype.doing = function doingOfTheLast() {
  channel.postMessage('life');
  return (begun = doing.call(this));
};

const { resolve } = typesBridge;
typesBridge.resolve = (name) => {
  const [of, text] = begun?.look() ?? [];
  if (of === cause && text.includes(mark)) throw new WebAssembly.RuntimeError('unreachable');
  return resolve(name);
};

if (query.has('always')) {
  const { poll, handleTab } = HostCore.prototype;
  let hasTab = false;
  HostCore.prototype.handleTab = function handlingTab(...args) {
    hasTab = true;
    return handleTab.apply(this, args);
  };
  HostCore.prototype.poll = function polling() {
    if (hasTab && !begun.look()) handleTab.call(this, TRAP, '');
    return poll.call(this);
  };
}

channel.postMessage('worker');
serve();
