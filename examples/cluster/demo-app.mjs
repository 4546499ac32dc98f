/** What the demos add to a server process of the cluster: the till's rule, and what the race counts. */
import { refuseOverdrafts } from '../rules.mjs';
import { Traffic } from '../traffic.mjs';
import { delayOf, queryOf } from '../ws-stream.mjs';

const traffic = new Traffic();

export { delayOf };
export const setUp = refuseOverdrafts;

/** Counts the bytes of clients that name themselves by `?client=`. */
export function accept(request, socket) {
  const client = queryOf(request).get('client');
  if (client !== null) traffic.count(client, socket);
}

export const routes = { '/traffic': () => traffic.status() };
