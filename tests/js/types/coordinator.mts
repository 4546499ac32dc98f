/** What an application writes that coordinates its tabs. */

import { createConnection } from 'sharedb-proxy';
import { TabCoordinator, WorkerMessageType } from 'sharedb-proxy/coordinator';
import type { SharedWorkerMessage, WorkerState } from 'sharedb-proxy/coordinator';

/** The contract that applications are written against. */
interface Contract {
  register(): Promise<void>;
  sendMessage(type: WorkerMessageType, payload: any): Promise<void>;
  handleMessage(message: SharedWorkerMessage): Promise<void>;
  unregister(): Promise<void>;
}

const connection = createConnection('wss://example.com/sharedb');
export const contract: Contract = new TabCoordinator({ connection });

const tabs = new TabCoordinator({
  namespace: 'ada',
  role: 'observer',
  weight: 10,
  state: { mode: 'distributed', schema: 2, migrations: { 2: (content) => content } },
});
export const state: WorkerState = tabs.state;
export const connected: Set<string> = state.connectedTabs;

tabs.on('message', (message: SharedWorkerMessage) => message.tabId.length + message.timestamp);
await tabs.sendMessage(WorkerMessageType.SESSION_REFRESH, { token: 'x' });
export const booked: number = await tabs.lock('invoice', { timeout: 1, retry: 2 }, (held) =>
  held.lock('account', ({ token }) => token),
);
export const token: string = await tabs.refresh(async ({ signal }) => `${signal.aborted}`);
const stop: () => void = tabs.runAsLeader(({ term }) => term + 1);
stop();
await tabs.idle({ warnAfter: 1, timeoutAfter: 2 });
// @ts-expect-error There is no such type of message.
await tabs.sendMessage('nonsense', 1);
// @ts-expect-error A role is one of two.
new TabCoordinator({ namespace: 'ada', role: 'leader' });
