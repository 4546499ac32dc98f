/**
 * The options that every connection has, and hints for names that other clients use.
 */

import { checkConnections } from './connections.js';
import { OF_OTHER_STORES } from './durable-options.js';
import { expectOption, isBoolean, isPositiveCount, refuseUnknown } from './options.js';

/** What a connection may have, wherever its host is. */
export const STORING = /** @type {const} */ ([
  ...['namespace', 'durableStore', 'keepPendingOnReject', 'connections', 'recorder'],
]);

/** Options of other factories and classes with these names. */
const INSTEAD = {
  ...OF_OTHER_STORES,
  storage: 'say durableStore: {storage}',
  durableStoreOptions: 'say durableStore: {…}',
  forceDirect: 'say useSharedWorker: false',
  forceProxy: 'a SharedWorker is used where there is one, and connection.host says whether',
  channelName: 'say namespace',
  sharedWorkerPath: 'say workerUrl, or worker for one of your own',
  wasmUrl: 'the WebAssembly is in the scripts: say workerUrl where the worker is',
};

/**
 * Throws where there is an option that nobody knows, or a value that nobody can use.
 *
 * @param {string} whose for the message
 * @param {any} options
 * @param {readonly string[]} [others] further names that are known
 * @param {Record<string, string>} [instead] what to say instead of further names
 */
export function checkConnectionOptions(whose, options, others = [], instead = {}) {
  refuseUnknown(whose, options, [...STORING, ...others], { ...INSTEAD, ...instead });
  expectOption('options', options, 'namespace', isName, 'a text with something in it');
  expectOption('options', options, 'keepPendingOnReject', isBoolean, 'true or false');
  checkConnections('options', options.connections);
  checkRecorder(options.recorder);
}

/** @param {any} recorder */
function checkRecorder(recorder) {
  if (recorder === undefined || recorder === false) return;
  expectOption('options', { recorder }, 'recorder', isObject, 'false, or an object with bounds');
  refuseUnknown('recorder', recorder, ['inputs', 'characters']);
  for (const name of ['inputs', 'characters'])
    expectOption('recorder', recorder, name, isPositiveCount, 'a whole number, 1 or more');
}

const isObject = (/** @type {any} */ value) => typeof value === 'object' && value !== null;

const isName = (/** @type {any} */ value) => typeof value === 'string' && value !== '';
