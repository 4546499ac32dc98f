/** A host's machine: its module, and its class. A page that is no host does not load this. */

import { makeBindings } from '../../pkg/host.js';
import { CoreModule } from './cores.js';

export const hostModule = new CoreModule(makeBindings);

/** In a page a tab's machine calls it, and must not lose the message. */
export const HostCore = hostModule.coreClass('HostCore', 'seq', () => undefined);
/** @typedef {InstanceType<typeof HostCore>} HostCore */
