/**
 * A worker whose machine traps while it is at something:
 *
 *   trapping-worker.js?cause=0&mark=text
 *   trapping-worker.js?always
 *
 * `cause` is that of `HostDoing`, and `mark` a part of its text, or of the op that it names. It traps where it asks for an OT
 * type: from there an exception goes through the machine as a trap does; or, at a message of a tab, when that was taken. With
 * `always` it traps over nothing, as soon as it has a tab. The BroadcastChannel of the worker's name tells of each `worker` that
 * is started and of each `life` of a host in it.
 */

import { serve } from 'sharedb-proxy/worker';
import { HostCore } from '../../../js-shim/src/cores/host-core.js';
import { TRAP } from '../../js/trap.mjs';
import { typesBridge } from '../../../js-shim/src/cores/types-bridge.js';

const query = new URLSearchParams(location.search);
const cause = Number(query.get('cause'));
const mark = query.get('mark') ?? 'nothing has this mark';

const channel = new BroadcastChannel(self.name);
let begun;
const { doing } = HostCore.prototype;
HostCore.prototype.doing = function doingOfTheLast() {
  channel.postMessage('life');
  return (begun = doing.call(this));
};

const { handleTab, poll } = HostCore.prototype;

/** The op with the mark, as `HostDoing` names it. */
let markedOp;

function isAtTheMark() {
  const [of, text] = begun?.look() ?? [];
  return of === cause && (text.includes(mark) || text === markedOp);
}

const { resolve } = typesBridge;
typesBridge.resolve = (name) => {
  if (isAtTheMark()) throw new WebAssembly.RuntimeError('unreachable');
  return resolve(name);
};

HostCore.prototype.handleTab = function handlingTab(tab, text) {
  const op = JSON.parse(text)['doc.submitOp'];
  if (op && text.includes(mark))
    markedOp = JSON.stringify(['doc.submitOp', tab, op.collection, op.id, String(op.seq)]);
  return handleTab.call(this, tab, text);
};

HostCore.prototype.poll = function polling(...args) {
  if (cause === 0 && isAtTheMark()) handleTab.call(this, TRAP, '');
  return poll.apply(this, args);
};

if (query.has('always')) {
  let hasTab = false;
  HostCore.prototype.handleTab = function handlingFirstTab(...args) {
    hasTab = true;
    return handleTab.apply(this, args);
  };
  HostCore.prototype.poll = function pollingInVain(...args) {
    if (hasTab && !begun.look()) handleTab.call(this, TRAP, '');
    return poll.apply(this, args);
  };
}

channel.postMessage('worker');
serve();
