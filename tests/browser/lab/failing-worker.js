/**
 * A worker whose IndexedDB fails by a script:
 *
 *   failing-worker.js?fail=7&how=abort[&forever]
 *
 * Of the calls that can fail it counts those that can fail in a way of their own: every opening, transaction, put, delete and
 * commit, and the first get of a transaction. The call of that number fails, or with `forever` that one and all after it.
 * Who wants to know how many there were listens on the BroadcastChannel of the worker's name.
 *
 * | how | what happens |
 * |---|---|
 * | `throw` | the call throws, as on a handle that is closed |
 * | `abort` | the transaction is rolled back, the database is not opened |
 * | `quota` | the same, for want of space |
 * | `close` | the browser closes the database, what is under way is still committed |
 * | `silent` | it is done, but nobody is told |
 * | `hang` | the transaction neither commits nor ends |
 */

import { serve } from 'sharedb-proxy/worker';
import { keepAlive } from './endless-transaction.js';

const query = new URLSearchParams(location.search);
const first = Number(query.get('fail'));
const last = query.has('forever') ? Infinity : first;
const how = query.get('how');

/**
 * How long the host waits for an answer, in milliseconds. Where calls are not answered this is what the test waits for, and it
 * has to be more than a busy machine takes; where they are answered it must not be what fails.
 */
const TIMEOUT = how === 'silent' || how === 'hang' ? 2_000 : 20_000;

const channel = new BroadcastChannel(self.name);
let calls = 0;

/** Counts a call. @returns {boolean} whether it is to fail */
function isNext(name) {
  calls += 1;
  const fails = calls >= first && calls <= last;
  channel.postMessage({ calls, name, fails });
  return fails;
}

const error = () => {
  const name = how === 'quota' ? 'QuotaExceededError' : 'AbortError';
  return new DOMException('this is scripted', name);
};

function refuse() {
  throw new DOMException('this is scripted', 'InvalidStateError');
}

/** Replaces a method; `failing` gets what it would have returned, and the call's arguments. */
function script(prototype, name, failing, counts = () => true) {
  const original = prototype[name];
  prototype[name] = function scripted(...args) {
    if (!counts(this) || !isNext(name)) return original.apply(this, args);
    if (how === 'throw') return refuse();
    return failing.call(this, () => original.apply(this, args));
  };
}

/** No listener that comes later hears of these events. */
function hush(target, ...events) {
  for (const event of events)
    target.addEventListener(event, (happened) => happened.stopImmediatePropagation());
}

function failOpening(open) {
  const request = open();
  if (how === 'close') {
    request.addEventListener('success', () => setTimeout(() => closeDatabase(request.result)));
  } else if (how === 'silent' || how === 'hang') {
    request.addEventListener('success', () => request.result.close());
    hush(request, 'success', 'blocked');
  } else {
    let told = false;
    request.addEventListener('success', (happened) => {
      happened.stopImmediatePropagation();
      if (told) return;
      told = true;
      request.result.close();
      Object.defineProperty(request, 'error', { value: error() });
      request.dispatchEvent(new Event('error'));
    });
  }
  return request;
}

function closeDatabase(database) {
  database.close();
  database.dispatchEvent(new Event('close'));
}

function failTransaction(transaction) {
  switch (how) {
    case 'abort':
    case 'quota':
      return rollBack(transaction);
    case 'close':
      return closeDatabase(transaction.db);
    case 'silent':
      return hush(transaction, 'complete', 'abort');
    case 'hang':
      return keepAlive(transaction);
  }
}

/** As a browser does it: not before all requests were made. */
function rollBack(transaction) {
  // Of several requests of a transaction the first is enough.
  if (Object.hasOwn(transaction, 'commit')) return;
  transaction.commit = () => {};
  queueMicrotask(() => {
    if (how === 'quota') Object.defineProperty(transaction, 'error', { value: error() });
    transaction.abort();
  });
}

const { commit } = IDBTransaction.prototype;
const seen = new WeakSet();
const isFirst = ({ transaction }) => !seen.has(transaction) && seen.add(transaction);

script(IDBFactory.prototype, 'open', failOpening);
script(IDBDatabase.prototype, 'transaction', (begin) => {
  const transaction = begin();
  failTransaction(transaction);
  return transaction;
});
for (const name of ['put', 'delete', 'get']) {
  const failing = function failing(make) {
    const request = make();
    failTransaction(this.transaction);
    return request;
  };
  script(IDBObjectStore.prototype, name, failing, name === 'get' ? isFirst : undefined);
}
script(IDBTransaction.prototype, 'commit', function failing() {
  failTransaction(this);
  if (how === 'close' || how === 'silent') commit.call(this);
});

serve({ durableStore: { timeout: TIMEOUT } });
