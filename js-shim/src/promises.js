/**
 * Promises for what ShareDB tells by callback. Each function has the name of a method, takes the
 * object before the method's own arguments, and resolves where the callback would come without an
 * error: `await subscribe(doc)`.
 *
 * The objects are the usual ones and stay as they are: nothing is wrapped, and their methods
 * return nothing, because a promise from `submitOp` would change when `error` is emitted. There
 * is nothing in here to import, so it serves ShareDB's own client as well.
 *
 * As with a callback, an error is the caller's then: it rejects, and no `error` is emitted.
 */

/** @typedef {typeof import('./promises.d.ts')} Promises */
/** @typedef {(error?: any) => void} Callback */

// ---- Documents, presence and queries ----

/** `doc.fetch`. Resolves with the document, like all that follow. @type {Promises['fetch']} */
export const fetch = (doc) => done(doc, (end) => doc.fetch(end));

/** `subscribe` of a document or a presence. @type {Promises['subscribe']} */
export const subscribe = (target) => done(target, (end) => target.subscribe(end));

/** `unsubscribe` of a document or a presence. @type {Promises['unsubscribe']} */
export const unsubscribe = (target) => done(target, (end) => target.unsubscribe(end));

/**
 * `destroy` of a document, a query or a presence.
 *
 * A document waits until the server has acknowledged everything, also offline; it rejects with
 * `ERR_CONNECTION_CLOSED` when the connection is closed before.
 *
 * @type {Promises['destroy']}
 */
export const destroy = (target) => done(target, (end) => target.destroy(end));

/** `doc.create`. @type {Promises['create']} */
export const create = (doc, data, type, options) =>
  done(doc, (end) => doc.create(data, type, options, end));

/**
 * `doc.submitOp`. The document has the op at once; this resolves with the server's word.
 *
 * @type {Promises['submitOp']}
 */
export const submitOp = (doc, op, options) => done(doc, (end) => doc.submitOp(op, options, end));

/** `doc.del`. @type {Promises['del']} */
export const del = (doc, options) => done(doc, (end) => doc.del(options, end));

/** `doc.ingestSnapshot`. @type {Promises['ingestSnapshot']} */
export const ingestSnapshot = (doc, snapshot) =>
  done(doc, (end) => doc.ingestSnapshot(snapshot, end));

/**
 * `doc.ensureDocHasData`: what is here, else what the store has, else the server's.
 *
 * @type {Promises['ensureDocHasData']}
 */
export const ensureDocHasData = (doc) => done(doc, (end) => doc.ensureDocHasData(end));

/**
 * `doc.ensureDocHasRecentData`: the same, of this version or a later one.
 *
 * @type {Promises['ensureDocHasRecentData']}
 */
export const ensureDocHasRecentData = (doc, minVersion) =>
  done(doc, (end) => doc.ensureDocHasRecentData(minVersion, end));

/** `submit` of a local presence. @type {Promises['submit']} */
export const submit = (presence, value) => done(presence, (end) => presence.submit(value, end));

/** `whenNothingPending` of a document or a connection. @type {Promises['whenNothingPending']} */
export const whenNothingPending = (target) => done(target, (end) => target.whenNothingPending(end));

// ---- Connections ----

/**
 * `connection.createFetchQuery`. Resolves with the query, which has its `results` and `extra`.
 *
 * @type {Promises['createFetchQuery']}
 */
export const createFetchQuery = (connection, collection, query, options) =>
  answered((end) => connection.createFetchQuery(collection, query, options, end));

/**
 * `connection.createSubscribeQuery`. Resolves with the query when it has its first results.
 *
 * @type {Promises['createSubscribeQuery']}
 */
export const createSubscribeQuery = (connection, collection, query, options) =>
  answered((end) => connection.createSubscribeQuery(collection, query, options, end));

/** `connection.fetchSnapshot`. Resolves with the snapshot. @type {Promises['fetchSnapshot']} */
export const fetchSnapshot = (connection, collection, id, version = null) =>
  result((end) => connection.fetchSnapshot(collection, id, version, end));

/** `connection.fetchSnapshotByTimestamp`. Resolves with the snapshot. @type {Promises['fetchSnapshotByTimestamp']} */
export const fetchSnapshotByTimestamp = (connection, collection, id, timestamp = null) =>
  result((end) => connection.fetchSnapshotByTimestamp(collection, id, timestamp, end));

/** `connection.getBulk`. Resolves with the documents. @type {Promises['getBulk']} */
export const getBulk = (connection, collection, ids) =>
  result((end) => connection.getBulk(collection, ids, end));

/** `connection.putDoc`. Resolves with the connection when that is durable. @type {Promises['putDoc']} */
export const putDoc = (connection, doc) => done(connection, (end) => connection.putDoc(doc, end));

/** `connection.putDocs`. Resolves with the connection when all are durable. @type {Promises['putDocs']} */
export const putDocs = (connection, docs) =>
  done(connection, (end) => connection.putDocs(docs, end));

/** `connection.putDocsBulk`. Resolves with the connection when all are durable. @type {Promises['putDocsBulk']} */
export const putDocsBulk = (connection, docs) =>
  done(connection, (end) => connection.putDocsBulk(docs, end));

/**
 * `connection.flushWrites`. Resolves with the connection when all that was submitted is durable.
 *
 * @type {Promises['flushWrites']}
 */
export const flushWrites = (connection) => done(connection, (end) => connection.flushWrites(end));

/**
 * `connection.removeDeadLetters`. Resolves with the connection when that is durable.
 *
 * @type {Promises['removeDeadLetters']}
 */
export const removeDeadLetters = (connection, letters) =>
  done(connection, (end) => connection.removeDeadLetters(letters, end));

/**
 * `connection.wipe`. Resolves with the connection, which is over, when everything is deleted.
 *
 * @type {Promises['wipe']}
 */
export const wipe = (connection) => done(connection, (end) => connection.wipe(end));

/** `connection.hostStatus`. Resolves with the status. @type {Promises['hostStatus']} */
export const hostStatus = (connection) => result((end) => connection.hostStatus(end));

/**
 * `connection.ping`. Resolves with the next pong, and rejects where the connection is not there,
 * or is lost before.
 *
 * @type {Promises['ping']}
 */
export const ping = async (connection) => {
  connection.ping();
  return new Promise((resolve, reject) => {
    const end = (/** @type {() => void} */ settle) => {
      connection.removeListener('pong', onPong);
      connection.removeListener('state', onState);
      settle();
    };
    const onPong = () => end(() => resolve(connection));
    const onState = (/** @type {string} */ state) => end(() => reject(lostBeforePong(state)));
    connection.on('pong', onPong);
    connection.on('state', onState);
  });
};

/** @param {string} state */
function lostBeforePong(state) {
  const error = new Error(`The connection became ${state} before the pong`);
  return Object.assign(error, { code: 'ERR_CONNECTION_LOST' });
}

// ---- The three shapes of a callback ----

/**
 * The callback gets an error or nothing.
 *
 * @param {any} target what to resolve with
 * @param {(end: Callback) => void} call
 * @returns {Promise<any>}
 */
function done(target, call) {
  return new Promise((resolve, reject) => {
    call((error) => (error ? reject(error) : resolve(target)));
  });
}

/**
 * The callback gets an error or a result.
 *
 * @param {(end: (error: any, result?: any) => void) => void} call
 * @returns {Promise<any>}
 */
function result(call) {
  return new Promise((resolve, reject) => {
    call((error, value) => (error ? reject(error) : resolve(value)));
  });
}

/**
 * The call returns what there is to wait for, and the callback says later that it is ready.
 *
 * @param {(end: Callback) => any} call
 * @returns {Promise<any>}
 */
function answered(call) {
  return new Promise((resolve, reject) => {
    const made = call((error) => (error ? reject(error) : resolve(made)));
  });
}
