/**
 * `import { signalR } from 'sharedb-proxy/signalr'`: a hub connection of `@microsoft/signalr` that the application builds, as the
 * second connection of all tabs. This package does not need that one.
 */

import { shared } from './platform/shared.js';

/**
 * Messages are `{target, arguments}`, in both directions: the method's name and what it is called with. The answer to one that
 * is sent is what the hub's method gave.
 *
 * @param {(token: any) => any} build gives a hub connection that was not started
 * @param {{methods: string[]}} options the methods that the hub calls
 * @returns {import('./index.d.cts').OpenConnection}
 */
export function signalR(build, { methods }) {
  return async ({ token, receive, stateChanged, signal }) => {
    const hub = await build(token);
    for (const target of methods)
      hub.on(target, (/** @type {any[]} */ ...args) => receive({ target, arguments: args }));
    hub.onreconnecting((/** @type {any} */ error) => stateChanged('connecting', error));
    hub.onreconnected(() => stateChanged('connected'));
    hub.onclose((/** @type {any} */ error) => stateChanged('disconnected', error));
    const stop = () => void hub.stop().catch(() => {});
    signal.addEventListener('abort', stop, { once: true });
    await hub.start();
    return {
      send: async ({ target, arguments: args = [] }) => {
        try {
          return await hub.invoke(target, ...args);
        } catch (error) {
          // It did not refuse: it is gone, and may have carried it out.
          if (hub.state === 'Connected') throw error;
          throw new shared.Error('ERR_REALTIME_LOST', String(error));
        }
      },
      close: () => hub.stop(),
    };
  };
}
