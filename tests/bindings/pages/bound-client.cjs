/**
 * What bindings get that load `sharedb/lib/client` themselves: the page's connection, under the
 * name of a class.
 */

'use strict';

let connection;

exports.give = (given) => (connection = given);

exports.Connection = function Connection() {
  return connection;
};
