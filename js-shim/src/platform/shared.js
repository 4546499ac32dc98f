/**
 * ShareDB's process-wide objects: the registry of types, the error class, the logger.
 *
 * Where the application has `sharedb` itself (Node), `adopt` takes its objects, so that a type
 * registered there is registered here and an error from here is an instance of its class.
 */

import ot from 'ot-json0';

/** @typedef {import('../index.d.ts').Type} OtType */

/** ShareDB's error: a `code` to act on, a `message` to read. */
class ShareDBError extends Error {
  /**
   * @param {string} code
   * @param {string} [message]
   */
  constructor(code, message) {
    super(message ?? '');
    this.name = 'ShareDBError';
    this.code = code;
  }

  /** Every code is its own name. */
  static CODES = /** @type {Record<string, string>} */ (
    new Proxy(Object.create(null), { get: (_, code) => code })
  );
}

/** @type {import('../index.d.ts').Types} */
const types = {
  defaultType: ot.type,
  map: Object.create(null),
  /** @param {OtType} type */
  register(type) {
    if (type.name) types.map[type.name] = type;
    if (type.uri) types.map[type.uri] = type;
  },
};
types.register(types.defaultType);

const METHODS = /** @type {const} */ (['info', 'warn', 'error']);

/** @type {any} */
const logger = {
  /** @param {Record<string, unknown>} overrides */
  setMethods(overrides) {
    for (const method of METHODS) {
      if (typeof overrides?.[method] === 'function') logger[method] = overrides[method];
    }
  },
};
for (const method of METHODS) {
  logger[method] = (/** @type {unknown[]} */ ...args) => console[method](...args);
}

/** The objects in use. */
export const shared = {
  types,
  Error: /** @type {any} */ (ShareDBError),
  logger: /** @type {import('../index.d.ts').Logger} */ (logger),
};

/**
 * Takes another ShareDB's objects.
 *
 * @param {Partial<typeof shared>} other
 */
export function adopt(other) {
  Object.assign(shared, other);
}

/** The JSON0 type's URI. */
const JSON0_URI = 'http://sharejs.org/types/JSONv0';

/**
 * Whether ops of this type are transformed and composed in WebAssembly.
 *
 * @param {OtType} type
 */
export function isNative(type) {
  return type.name === 'json0' && type.uri === JSON0_URI;
}

/**
 * The names of subtypes that the json0 of this process was given beside its own. It does not say which it has.
 *
 * @type {Set<string>}
 */
export const givenSubtypes = new Set();
const { registerSubtype: register } = /** @type {any} */ (ot.type);
/** @type {any} */ (ot.type).registerSubtype = (/** @type {any} */ subtype) => {
  register(subtype);
  givenSubtypes.add(subtype.name);
};

/**
 * Gives the json0 in use a subtype.
 *
 * @param {import('../index.d.ts').Subtype} subtype
 */
export function registerSubtype(subtype) {
  shared.types.map[JSON0_URI].registerSubtype(subtype);
}

/** @typedef {import('../cores/events.js').ErrorParts} ErrorParts */

/**
 * An error as the machines write it.
 *
 * @param {ErrorParts} parts
 * @returns {Error & {code?: string, data?: unknown}}
 */
export function toError([code, message, data, fromServer, exception]) {
  if (exception) return exception[0];
  if (!fromServer) return new shared.Error(code, message);
  const error = Object.assign(new Error(message), { code });
  if (data === undefined) return error;
  const whole = JSON.parse(data);
  delete whole.error;
  return Object.assign(error, { data: whole });
}

/**
 * Tells of an error that is about no call and no document: where the host is, or how its store fares. The connection goes on, so
 * it is no exception where nobody listens.
 *
 * @param {import('../api/connection.js').Connection} connection
 * @param {Error & {code: string}} error
 */
export function emitOrLog(connection, error) {
  if (connection.listenerCount('error')) connection.emit('error', error);
  else shared.logger.error(`${error.code}: ${error.message}`);
}

/**
 * The parts of an error that a machine wrote as an object.
 *
 * @param {{code?: string, message: string, data?: any, from_server?: boolean}} error
 * @returns {ErrorParts}
 */
export function partsOf({ code, message, data, from_server: fromServer }) {
  const text = data === undefined ? undefined : JSON.stringify(data);
  return [code, message, text, Boolean(fromServer), undefined];
}

/**
 * What a call of a machine threw, as an error: its own come as parts, a trap as it is.
 *
 * @param {unknown} thrown
 */
export function asError(thrown) {
  return Array.isArray(thrown) ? toError(/** @type {ErrorParts} */ (thrown)) : thrown;
}
