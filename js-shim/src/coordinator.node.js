/** The entry of coordination for Node. It loads synchronously. */

import './index.node.js';

import { readFileSync } from 'node:fs';

import { coordinatorModule } from './cores/coordinator-core.js';

export { TabCoordinator, WorkerMessageType } from './coordinator/tab-coordinator.js';

coordinatorModule.use(readFileSync(new URL('../pkg/coordinator_node.wasm', import.meta.url)));
