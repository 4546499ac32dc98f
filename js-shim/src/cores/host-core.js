/**
 * The host's WebAssembly module and the class of its machine. A page does not load this before its host lives there.
 */

import { makeBindings } from '../../pkg/host.js';
import { CoreModule } from './cores.js';

export const hostModule = new CoreModule(makeBindings);

/** No stack check before a call: in a page a tab's event makes the call, and the event must not be lost. */
export const HostCore = hostModule.coreClass('HostCore', 'seq', () => undefined);
/** @typedef {InstanceType<typeof HostCore>} HostCore */

/** The machine of a place, which says when a host begins and ends there. */
export const CandidateCore = hostModule.coreClass('CandidateCore', 'host', () => undefined);
/** @typedef {InstanceType<typeof CandidateCore>} CandidateCore */
