/** What the demos add to a server process of the cluster: the till's rule, and what the race counts. */
import { refuseOverdrafts } from '../rules.mjs';
import { Traffic } from '../traffic.mjs';

const LONGEST_DELAY_MS = 1_000;
const traffic = new Traffic();

const queryOf = ({ url }) => new URL(url, 'http://localhost').searchParams;

export const setUp = refuseOverdrafts;

/** Counts the bytes of clients that name themselves by `?client=`. */
export function accept(request, socket) {
  const client = queryOf(request).get('client');
  if (client !== null) traffic.count(client, socket);
}

/** `?delay=N`: a server that is so many milliseconds away, each way. */
export const delayOf = (request) =>
  Math.min(Number(queryOf(request).get('delay')) || 0, LONGEST_DELAY_MS);

export const routes = { '/traffic': () => traffic.status() };
