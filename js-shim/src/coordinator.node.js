/** The entry of coordination for Node. */

import './index.node.js';

import coordinatorBytes from '../pkg/coordinator_node.cjs';
import { coordinatorModule } from './cores/coordinator-core.js';

export { TabCoordinator, WorkerMessageType } from './coordinator/tab-coordinator.js';

coordinatorModule.provide(coordinatorBytes);
