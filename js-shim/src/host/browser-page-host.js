/** The module that a page loads when the host comes to live in it: the host's code, and its WebAssembly in a script. */

import { hostBytes } from '../../pkg/host_bytes.js';
import { hostModule } from '../cores/host-core.js';

export { PageHost, Place } from './page-host.js';
export { hostModule };

hostModule.provide(hostBytes);
