/**
 * The second connection of all tabs, to the demo server's SignalR hub. The worker opens it, or the page that has the host.
 */
import { HttpTransportType, HubConnectionBuilder, LogLevel } from '@microsoft/signalr';
import { signalR } from 'sharedb-proxy/signalr';

/** The hub takes each token once. */
export const build = (token) =>
  new HubConnectionBuilder()
    .withUrl(new URL('/hub', location.origin).href, {
      transport: HttpTransportType.WebSockets,
      skipNegotiation: true,
      accessTokenFactory: () => token,
    })
    .configureLogging(LogLevel.None)
    .build();

export const connections = { signalr: signalR(build, { methods: ['tick', 'news'] }) };

/** An application asks its server for it. */
export const newToken = () => `token ${crypto.randomUUID()}`;
