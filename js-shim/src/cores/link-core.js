/** The classes of the machine that finds a tab's host. That of a place is with the host's module. */

import { tabModule } from './tab-core.js';

export const LinkCore = tabModule.coreClass('LinkCore', 'isReady', () => undefined);
/** @typedef {InstanceType<typeof LinkCore>} LinkCore */
