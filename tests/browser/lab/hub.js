/** The second connection of the lab: to the hub of the demo server, by SignalR's own client. */

import { HttpTransportType, HubConnectionBuilder, LogLevel } from '@microsoft/signalr';
import { signalR } from 'sharedb-proxy/signalr';

const build = (token) =>
  new HubConnectionBuilder()
    .withUrl(new URL('/hub', location.origin).href, {
      transport: HttpTransportType.WebSockets,
      skipNegotiation: true,
      accessTokenFactory: () => token,
    })
    .configureLogging(LogLevel.None)
    .build();

export const connections = { signalr: signalR(build, { methods: ['news'] }) };
