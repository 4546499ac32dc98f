/**
 * The part of a link that is the same wherever the host is outside this page: what needs the socket cannot be done here, and
 * what the host says of the socket comes as JSON.
 */

import { notHere } from './whereabouts.js';

export class RemoteLink {
  bind() {
    throw notHere('bindToSocket()', ': say reconnect() after close()');
  }

  send() {
    throw notHere('send()');
  }

  receiveFromServer() {
    throw notHere('handleMessage()');
  }

  /** @param {string | undefined} text */
  takeReason(text) {
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** @param {string} text */
  takeSocketError(text) {
    return JSON.parse(text);
  }
}
