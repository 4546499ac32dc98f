/** In the place of `reconnecting-websocket`: the page's connection needs no second socket. */

'use strict';

module.exports = class NoSocket {
  close() {}
};
