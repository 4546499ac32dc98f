/** What an application writes that shares a second connection among its tabs. */

import { createConnection } from 'sharedb-proxy';
import { TabCoordinator } from 'sharedb-proxy/coordinator';
import { signalR } from 'sharedb-proxy/signalr';
import { serve } from 'sharedb-proxy/worker';
import type { Connections } from 'sharedb-proxy/worker';

const connections: Connections = {
  signalr: async ({ token, receive, stateChanged, signal }) => {
    signal.addEventListener('abort', () => stateChanged('disconnected'));
    receive({ token });
    return { send: (payload) => payload, close() {} };
  },
};
serve({ connections });

const connection = createConnection('wss://example.com/sharedb', { connections });
const tabs = new TabCoordinator({ connection, refresh: ({ signal }) => `${signal.aborted}` });
export const answer: string = await tabs.sendSignalR({ target: 'add' });
export const state: string | undefined = tabs.state.signalRConnection?.state;
export const isSo: boolean = await tabs.reload('a new build');
tabs.on('storage', ({ evicted }: { evicted: boolean }) => evicted);

declare const hub: ReturnType<Parameters<typeof signalR>[0]>;
serve({ connections: { signalr: signalR(() => hub, { methods: ['news'] }) } });
// @ts-expect-error There is no other connection.
serve({ connections: { other: () => hub } });
