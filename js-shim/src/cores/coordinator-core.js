/** The WebAssembly module of coordination, and the classes of a tab's ends of it. */

import { makeBindings } from '../../pkg/coordinator.js';
import { CoreModule } from './cores.js';

export const coordinatorModule = new CoreModule(makeBindings);

export const CoordinatorCore = coordinatorModule.coreClass(
  'CoordinatorCore',
  'term',
  () => undefined,
);
/** @typedef {InstanceType<typeof CoordinatorCore>} CoordinatorCore */

export const DevicesCore = coordinatorModule.coreClass('DevicesCore', 'wakeAt', () => undefined);
/** @typedef {InstanceType<typeof DevicesCore>} DevicesCore */
