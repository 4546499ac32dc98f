/**
 * The options of the durable store: checks them before anything is opened, and sorts them by where they are used: in a
 * host in this page, in one in a worker, or in the tab itself.
 *
 * Functions and storages cannot be sent to a worker. There `serve` takes them, and the page may have them as well, for
 * a host of its own; a worker is told only that. The two have to agree: otherwise it would depend on where the host
 * happens to be whether a text is stored in clear.
 */

import {
  expectOption,
  isBoolean,
  isFunction,
  optionError,
  pick,
  refuseUnknown,
} from './options.js';

/**
 * @typedef {import('../index.d.cts').DurableStoreOptions} Options
 * @typedef {import('../index.d.cts').WorkerStoreOptions} Served
 */

/** What cannot be sent to a worker. */
const FOR_THE_HOST = /** @type {const} */ (['storage', 'encrypt', 'decrypt']);
/** What all tabs of a host share: the first one decides. */
const SHARED = /** @type {const} */ (['durability', 'timeout', 'patience', 'maxOpBytes']);
/** What is the tab's, or what tab and host both have to know. */
const FOR_THE_TAB = /** @type {const} */ ([
  ...['keepPendingOnReject', 'persist'],
  ...['onReadyCallback', 'opErrorCallback'],
]);
const ALL = [...FOR_THE_HOST, ...SHARED, ...FOR_THE_TAB];

/** What `serve` takes; with what a page says of it, its own word counts. */
const FOR_SERVE = [...FOR_THE_HOST, 'durability', 'timeout', 'patience'];

/** Options of another store with this interface. */
export const OF_OTHER_STORES = {
  maxBatchSize: 'whatever waits is written in one commit, so leave it out',
  extVersionDecoder: "the inventory has the server's versions, so leave it out",
  debug: 'set connection.debug',
  namespace: 'it stands beside durableStore, not in it',
};

/** What a storage cannot do without. */
const METHODS = /** @type {const} */ (['initialize', 'readRecord', 'writeRecords']);

const FUNCTIONS = /** @type {const} */ (['decrypt', 'onReadyCallback', 'opErrorCallback']);
const BOOLEANS = /** @type {const} */ (['keepPendingOnReject', 'persist']);
const DURABILITIES = ['relaxed', 'strict'];
/** A timer of more milliseconds would be over at once. */
const LONGEST = 2 ** 31 - 1;

/**
 * The options as an object, or nothing where no durable store is wanted.
 *
 * @param {boolean | Options | undefined} durableStore `true`, or the options
 * @returns {Options | undefined}
 */
export function checkDurableStore(durableStore) {
  if (!durableStore) return undefined;
  if (durableStore === true) return {};
  if (typeof durableStore !== 'object') {
    throw optionError('ERR_OPTION_INVALID', 'durableStore is true, or an object with its options');
  }
  refuseUnknown('durableStore', durableStore, ALL, OF_OTHER_STORES);
  checkValues(durableStore);
  return durableStore;
}

/**
 * What a worker's own module says of the store. Whether there is one is for the pages to say.
 *
 * @param {Served | null | undefined} said
 * @returns {Served}
 */
export function checkServedStore(said) {
  if (said === undefined || said === null) return {};
  if (typeof said !== 'object') {
    const message =
      'whether there is a store is for the pages to say: createConnection({durableStore})';
    throw optionError('ERR_OPTION_INVALID', message);
  }
  const pages = ALL.filter((name) => !FOR_SERVE.includes(name));
  const instead = pages.map((name) => [
    name,
    `it is for the pages to say: createConnection({durableStore: {${name}}})`,
  ]);
  refuseUnknown('serve({durableStore})', said, FOR_SERVE, {
    ...OF_OTHER_STORES,
    ...Object.fromEntries(instead),
  });
  checkValues(said);
  return said;
}

/** @param {Options} options */
function checkValues(options) {
  const expect = (
    /** @type {string} */ name,
    /** @type {(value: any) => boolean} */ is,
    /** @type {string} */ what,
  ) => expectOption('durableStore', options, name, is, what);
  expect('encrypt', (value) => value === false || isFunction(value), 'a function, or false');
  for (const name of FUNCTIONS) expect(name, isFunction, 'a function');
  for (const name of BOOLEANS) expect(name, isBoolean, 'true or false');
  for (const name of ['timeout', 'maxOpBytes']) expect(name, isPositive, 'a positive number');
  expect('patience', (value) => value === 0 || isPositive(value), 'a number, and not negative');
  expect(
    'durability',
    (value) => DURABILITIES.includes(value),
    `one of ${DURABILITIES.join(', ')}`,
  );
  if (!options.encrypt !== !options.decrypt) {
    const message = 'durableStore.encrypt and durableStore.decrypt need each other';
    throw optionError('ERR_OPTION_INVALID', message);
  }
  if (options.storage) checkStorage(options.storage);
}

/**
 * @template {import('../index.d.cts').DurableStorage} T
 * @param {T} storage
 */
export function checkStorage(storage) {
  const missing = METHODS.filter((method) => !isFunction(storage[method]));
  if (!missing.length) return storage;
  throw optionError('ERR_OPTION_INVALID', `the storage has no ${missing.join(', ')}`);
}

// ---- Page and worker ----

/**
 * The packaged worker has no functions, so what it stored would be in clear.
 *
 * @param {Options | undefined} store as `checkDurableStore` gives it
 */
export function refuseFunctions(store) {
  const [own] = FOR_THE_HOST.filter((name) => store?.[name]);
  if (!own) return;
  const message =
    `durableStore.${own} cannot be sent to a worker: give it to serve({durableStore}) in a worker ` +
    `of your own, too, or say useSharedWorker: false`;
  throw optionError('ERR_OPTION_INVALID', message);
}

/**
 * The part of the options that a worker is told.
 *
 * @param {Options | undefined} store as `checkDurableStore` gives it
 */
export function forWorker(store) {
  return store && pick(store, SHARED);
}

/**
 * What of the rest a page has: whether it encrypts, if it says so at all, and whether it brings a storage.
 *
 * @typedef {{encrypts?: boolean, stores?: boolean}} PageParts
 * @param {Options | undefined} store as `checkDurableStore` gives it
 * @returns {PageParts | undefined}
 */
export function pageParts(store) {
  if (!store) return undefined;
  const { encrypt, storage } = store;
  return {
    encrypts: encrypt === undefined ? undefined : Boolean(encrypt),
    stores: Boolean(storage),
  };
}

/**
 * What of the rest a host in this page has, for all tabs that it serves.
 *
 * @param {Options | undefined} store as `checkDurableStore` gives it
 * @param {any} worker the application's
 * @returns {Served & {inMemory?: string}}
 */
export function forPage(store, worker) {
  return { ...(store && pick(store, FOR_THE_HOST)), inMemory: whyNotHere(store, worker) };
}

/**
 * Why a worker is not the host that a page wants: what the page would keep secret it would store in clear, or the other
 * way round where the host ever moved.
 *
 * @param {PageParts | undefined} page
 * @param {Served} served as `checkServedStore` gives it
 */
export function whyNoMatch(page, served) {
  const give = 'give them to serve({durableStore}), too';
  if (page?.encrypts && !served.encrypt) {
    return `the page has encrypt and decrypt, and its host has not: ${give}`;
  }
  if (page?.encrypts === false && served.encrypt) {
    return 'the host encrypts, and the page says encrypt: false';
  }
  if (page?.stores && !served.storage) {
    return `the page has a storage, and its host has not: ${give}`;
  }
  return undefined;
}

/**
 * Why a host in this page must not store anything: a worker of the application's own might have encrypted it.
 *
 * @param {Options | undefined} store as `checkDurableStore` gives it
 * @param {any} worker the application's
 */
export function whyNotHere(store, worker) {
  if (!store || !worker || store.storage || store.encrypt !== undefined) return undefined;
  return (
    'only the worker knows whether what is stored has to be encrypted: say so in the page, too, ' +
    'by durableStore.encrypt and decrypt, or by encrypt: false'
  );
}

/**
 * The settings that all tabs of a host have to agree on, by their names. Where they do not it costs nothing but the
 * setting.
 *
 * @param {Pick<import('../host/host-life.js').Introduction, 'durableStore' | 'keepPendingOnReject' | 'recorder'>} said
 *   what a tab says
 * @returns {Map<string, unknown>}
 */
export function sharedSettings({ durableStore, keepPendingOnReject, recorder }) {
  /** @type {Map<string, unknown>} */
  const settings = new Map();
  settings.set('durableStore', Boolean(durableStore));
  settings.set('keepPendingOnReject', Boolean(keepPendingOnReject));
  settings.set('recorder', recorder && JSON.stringify(recorder));
  for (const name of SHARED) settings.set(`durableStore.${name}`, durableStore?.[name]);
  return settings;
}

const isPositive = (/** @type {any} */ value) =>
  typeof value === 'number' && value > 0 && value <= LONGEST;
