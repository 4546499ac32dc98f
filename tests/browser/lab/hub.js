/** The second connection of the lab: to the hub of the demo server, as the demo reaches it. */

import { signalR } from 'sharedb-proxy/signalr';
import { build } from '../../../examples/src/session/stream.js';

export const connections = { signalr: signalR(build, { methods: ['news'] }) };
