/** A tab's machine: its module, and its class. */

import { makeBindings } from '../../pkg/tab.js';
import { CoreModule } from './cores.js';
import { ensureStack } from './stack.js';

export const tabModule = new CoreModule(makeBindings);

/** What a call of the machine ends with, whatever happened in it: there was enough stack when it began. */
const OF_RUNNING = ['depth', 'poll', 'threw'];

export const TabCore = tabModule.coreClass('TabCore', 'depth', (key) =>
  OF_RUNNING.includes(key) ? undefined : ensureStack,
);
/** @typedef {InstanceType<typeof TabCore>} TabCore */
