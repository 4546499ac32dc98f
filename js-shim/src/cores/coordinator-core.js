/** The WebAssembly module of coordination, and the class of a tab's end of it. */

import { makeBindings } from '../../pkg/coordinator.js';
import { CoreModule } from './cores.js';

export const coordinatorModule = new CoreModule(makeBindings);

export const CoordinatorCore = coordinatorModule.coreClass(
  'CoordinatorCore',
  'term',
  () => undefined,
);
/** @typedef {InstanceType<typeof CoordinatorCore>} CoordinatorCore */
