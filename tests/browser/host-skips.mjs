/** Why tests mean nothing for a kind of host, for the `skip` of their definitions. */

/** What only a SharedWorker has. */
export const sharedOnly = (why) => ({ 'elected-tab': why, 'in-page': why });

/** What a worker has, a SharedWorker or a tab's own. */
export const inWorkerOnly = (why) => ({ 'in-page': why });

export const KILLED = sharedOnly('it kills the SharedWorker; a tab’s worker dies with the tab');
export const OF_SHARED = sharedOnly('it is about the SharedWorker, or about tabs that have none');
export const LEAVES_HOST = sharedOnly('the tab that closes its connection hands its host over');
export const MODULE = inWorkerOnly('it is about what the module of the worker does');
export const BLOCKED = inWorkerOnly('a blocked page stops a host that is in it');
