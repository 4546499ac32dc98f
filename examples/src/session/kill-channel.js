/** The name of the channel by which a page of the session demo ends the workers. */
export const KILL_CHANNEL = 'sharedb-proxy-demos session: kill the worker';
