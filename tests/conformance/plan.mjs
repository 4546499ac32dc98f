/**
 * Which of ShareDB's client tests run in which mode, and why the others do not.
 *
 * `classification.json` says of each test whether it can apply to a client that is not the
 * stock one: class a must pass everywhere; class b leans on the stock client's object graph or
 * on one server agent per connection (`keep` says whether we can still offer it in one page);
 * class c needs message timing that holds only by luck.
 */

import { readFileSync } from 'node:fs';

const classification = JSON.parse(
  readFileSync(new URL('./classification.json', import.meta.url), 'utf8'),
);

/** Parts of the client that are not built yet. Delete an entry when its part is offered. */
/** @type {{files: RegExp, titles?: RegExp, reason: string}[]} */
const NOT_OFFERED = [];

/** ShareDB's test/db.js pulls these in for each database; the rest stand alone. */
const PER_DATABASE = new Set([
  'query-subscribe',
  'query',
  'projections',
  'submit',
  'submit-json1',
  'subscribe',
]);

/**
 * The modes: the stock client (to check the runner itself), ours in one page, ours with a MessageChannel between tab and
 * host, and with a BroadcastChannel.
 */
export const MODES = ['stock', 'in-page', 'hop', 'channel'];

/** Whether tab and host are apart in this mode. */
export const hasHop = (mode) => mode === 'hop' || mode === 'channel';

/** The test files, by their path below ShareDB's test/client, without `.js`. */
export const FILES = Object.keys(classification.files);

export function isPerDatabase(file) {
  return PER_DATABASE.has(file);
}

/**
 * The tests of one file in their written order. `skip` holds the reason why a test does not run
 * in this mode; `area` says that the reason is a part not built yet rather than the test itself.
 * `index` is the test's place in this list, by which the test process names it.
 */
export function plan(file, mode) {
  return classification.files[file].map((entry, index) => {
    const test = { ...entry, file, index };
    if (mode === 'stock') return test;
    const missing = NOT_OFFERED.find(
      (part) => part.files.test(file) && (!part.titles || part.titles.test(test.title)),
    );
    const skip = whyNever(test, mode) ?? missing?.reason;
    return { ...test, skip, area: Boolean(skip) && skip === missing?.reason };
  });
}

/** True for what only the stock client, or only luck, can pass. */
export function appliesNowhere(test) {
  return test.class === 'c' || test.keep === 'no';
}

function whyNever(test, mode) {
  const oneAgentEach = test.class === 'b' && hasHop(mode);
  return appliesNowhere(test) || oneAgentEach ? test.reason : undefined;
}
