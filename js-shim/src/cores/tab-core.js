/** The tab's WebAssembly module and the class of its machine. */

import { makeBindings } from '../../pkg/tab.js';
import { CoreModule } from './cores.js';
import { ensureStack } from './stack.js';

export const tabModule = new CoreModule(makeBindings);

/** Methods that finish a call of the machine. They skip the stack check: the call passed it when it began. */
const OF_RUNNING = ['depth', 'poll', 'threw'];

export const TabCore = tabModule.coreClass('TabCore', 'depth', (key) =>
  OF_RUNNING.includes(key) ? undefined : ensureStack,
);
/** @typedef {InstanceType<typeof TabCore>} TabCore */
