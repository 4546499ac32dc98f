/** What pages and workers of the session demo tell each other beside the coordinator: a worker is to end, or has begun. */
export const workerChannel = () => new BroadcastChannel('sharedb-proxy-demos session: worker');

export const END = 'end';
export const BEGUN = 'begun';
