/** The name of the session demo's worker, to its pages and to itself. */
export const WORKER = 'sharedb-proxy-demos session';
