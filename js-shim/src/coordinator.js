/**
 * The entry of coordination for browsers and bundlers: `import { TabCoordinator } from 'sharedb-proxy/coordinator'`. Its
 * WebAssembly is ready when the import resolves.
 */

import './index.js';

import { coordinatorModule } from './cores/coordinator-core.js';

export { TabCoordinator, WorkerMessageType } from './coordinator/tab-coordinator.js';

await coordinatorModule.load(new URL('../pkg/coordinator_bg.wasm', import.meta.url));
