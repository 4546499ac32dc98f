/**
 * Puts our client where ShareDB's code and tests ask for the stock one.
 *
 * It works at module loading, so that not a line of ShareDB or its tests is edited. A runner
 * that silently tested the stock client would pass everything; hence three guards: loading a
 * stock client module throws, `Backend.connect` throws when the connection is not ours, and the
 * number of connections that were ours is reported.
 */

'use strict';

const Module = require('node:module');
const path = require('node:path');

const sharedb = path.dirname(require.resolve('sharedb/package.json'));
const stockClient = path.join(sharedb, 'lib', 'client') + path.sep;

/** Where the tests are. */
exports.sharedb = sharedb;

/** Connections made in this process, by client, and messages posted to a MessagePort. */
exports.counts = { ours: 0, stock: 0, legacy: 0, messages: 0 };

/**
 * Replaces the stock client by `client`, an object with what `sharedb/lib/client` exports.
 * Call it before anything loads ShareDB.
 */
exports.install = function install(client) {
  exports.assertStockAbsent();
  const connection = counted(client.Connection);
  const replacements = new Map([
    ['index.js', { ...client, Connection: connection }],
    ['connection.js', connection],
    ['doc.js', client.Doc],
    ['query.js', client.Query],
  ]);

  const load = Module._load;
  Module._load = function (request, parent, isMain) {
    // Only a path that may lie in lib/client is worth resolving twice.
    if (/client|\.\//.test(request)) {
      const file = Module._resolveFilename(request, parent, isMain);
      if (file.startsWith(stockClient)) return replacement(file);
    }
    return load.call(this, request, parent, isMain);
  };

  function replacement(file) {
    const found = replacements.get(file.slice(stockClient.length));
    if (found) return found;
    throw new Error(`${file} belongs to the stock client, and we offer nothing in its place`);
  }

  guardConnect(client.Connection);
  guardSingletons(client);
};

/** Counts the stock client's connections, for the mode that checks the runner itself. */
exports.observeStock = function observeStock() {
  const Backend = require('sharedb/lib/backend');
  const connect = Backend.prototype.connect;
  Backend.prototype.connect = function (...args) {
    exports.counts.stock += 1;
    return connect.apply(this, args);
  };
};

/** Counts what crosses a port or a channel: a mode with a hop, without one, would pass everything, too. */
exports.observePorts = function observePorts(mode) {
  const { BroadcastChannel, MessagePort } = require('node:worker_threads');
  const { prototype } = mode === 'channel' ? BroadcastChannel : MessagePort;
  const post = prototype.postMessage;
  prototype.postMessage = function (...args) {
    exports.counts.messages += 1;
    return post.apply(this, args);
  };
};

/** Throws when a module of the stock client was evaluated in spite of the substitution. */
exports.assertStockAbsent = function assertStockAbsent() {
  const loaded = Object.keys(require.cache).filter((file) => file.startsWith(stockClient));
  if (loaded.length > 0) throw new Error(`the stock client was loaded: ${loaded.join(', ')}`);
};

/** The same class to every observer (`instanceof`, `new.target`, statics), but counted. */
function counted(Connection) {
  if (typeof Connection !== 'function') throw new Error('our client exports no Connection');
  return new Proxy(Connection, {
    construct(target, args, newTarget) {
      exports.counts.ours += 1;
      return Reflect.construct(target, args, newTarget);
    },
  });
}

function guardConnect(Connection) {
  const Backend = require('sharedb/lib/backend');
  // One test connects a client of ShareDB 1 on purpose, to check the server.
  const Legacy = require('sharedb-legacy/lib/client').Connection;
  const connect = Backend.prototype.connect;
  Backend.prototype.connect = function (given, ...rest) {
    const connection = connect.call(this, given, ...rest);
    if (given instanceof Legacy) exports.counts.legacy += 1;
    else if (!(connection instanceof Connection)) {
      throw new Error('Backend.connect returned a connection that is not ours');
    }
    return connection;
  };
}

/** Server, tests and client must share the type registry, the error class and the logger. */
function guardSingletons(client) {
  for (const [name, file] of [
    ['types', 'sharedb/lib/types'],
    ['Error', 'sharedb/lib/error'],
    ['logger', 'sharedb/lib/logger'],
  ]) {
    if (client[name] !== require(file)) {
      throw new Error(`our client's \`${name}\` is not the object that ${file} exports`);
    }
  }
}
