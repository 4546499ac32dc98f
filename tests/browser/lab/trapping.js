/**
 * Makes the host's machine trap, where this module runs: in a worker, or in a page that has the host.
 *
 * The trap is a real one: the machine's WebAssembly is entered at an address that its memory does not have.
 */

import { HostCore } from '../../../js-shim/src/cores/host-core.js';
import { typesBridge } from '../../../js-shim/src/cores/types-bridge.js';
import { trapInside } from '../../js/trap.mjs';

/**
 * @param {object} at
 * @param {number} [at.cause] that of `HostDoing`
 * @param {string} [at.mark] a part of its text, or of the op that it names
 * @param {boolean} [at.always] it traps over nothing, as soon as it has a tab
 * @param {() => void} began called when a life of the host begins
 */
export function installTraps({ cause, mark = 'nothing has this mark', always = false }, began) {
  let core;
  let begun;
  const { doing, handleTab, poll } = HostCore.prototype;
  HostCore.prototype.doing = function doingOfTheLast() {
    began();
    core = this;
    return (begun = doing.call(this));
  };

  /** The op with the mark, as `HostDoing` names it. */
  let markedOp;
  let hasTab = false;

  function isAtTheMark() {
    const [of, text] = begun?.look() ?? [];
    return of === cause && (text.includes(mark) || text === markedOp);
  }

  // While the machine runs: the trap leaves it through an import.
  const { resolve } = typesBridge;
  typesBridge.resolve = (name) => {
    if (core && isAtTheMark()) trapInside(core);
    return resolve(name);
  };

  HostCore.prototype.handleTab = function handlingTab(tab, text, ...time) {
    hasTab = true;
    const op = JSON.parse(text)['doc.submitOp'];
    if (op && text.includes(mark))
      markedOp = JSON.stringify(['doc.submitOp', tab, op.collection, op.id, String(op.seq)]);
    return handleTab.call(this, tab, text, ...time);
  };

  HostCore.prototype.poll = function polling(...args) {
    const isDue = always ? hasTab && !begun.look() : cause === 0 && isAtTheMark();
    // Entered as any other call is.
    if (isDue) trapInside(this, () => poll.apply(this, args));
    return poll.apply(this, args);
  };
}
