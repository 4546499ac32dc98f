/** The entry of coordination for browsers and bundlers: `import { TabCoordinator } from 'sharedb-proxy/coordinator'`. */

import './index.js';

import { coordinatorBytes } from '../pkg/coordinator_bytes.js';
import { coordinatorModule } from './cores/coordinator-core.js';

export { TabCoordinator, WorkerMessageType } from './coordinator/tab-coordinator.js';

coordinatorModule.provide(coordinatorBytes);
