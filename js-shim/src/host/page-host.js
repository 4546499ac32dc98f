/**
 * The host of one tab, which lives in its page, with its storage. A page whose host is in a worker does not load this.
 */

import { hostModule } from '../cores/host-core.js';
import { epoch } from '../platform/locks.js';
import { HostStorage } from '../storage/host-storage.js';
import { HostDriver } from './host-driver.js';

export { Place } from './place.js';
export { hostModule };

export class PageHost extends HostDriver {
  /**
   * @param {object} options
   * @param {boolean} options.opensSockets it asks for its sockets
   * @param {boolean} [options.hasUrl] `false`: it asks the tab where they lead to
   * @param {import('../index.d.cts').DurableStoreOptions} [options.store] what the store is to be; without it nothing
   *   is stored
   * @param {string} [options.namespace] of the store
   * @param {string} [options.inMemory] why the store is to be in memory only
   * @param {import('../index.d.cts').Connections} [options.connections] that tabs share
   * @param {false | import('../index.d.cts').RecorderBounds} [options.recorder] what it records of itself
   * @param {boolean} [options.keepsPending] pending ops stay where one is refused that cannot be taken back
   * @param {import('./host-driver.js').Surroundings} surroundings the link of the page's tab
   * @param {HostStorage} [storage] that of the host before, which crashed and was detached
   * @param {import('./recorder.js').Recorder} [earlier] that host's
   */
  constructor(options, surroundings, storage, earlier) {
    const { opensSockets, hasUrl, store, namespace, inMemory, keepsPending } = options;
    /** @type {import('./host-driver.js').MachineOptions} */
    const machine = {
      epoch: epoch(),
      isPrivate: true,
      opensSockets,
      hasUrl,
      retention: store && 'durable',
      connections: options.connections,
      earlier,
      recorder: options.recorder,
      storage: storage ?? (store && new HostStorage({ ...store, namespace, inMemory })),
    };
    super(machine, surroundings);
    this.core.configure(store?.maxOpBytes, keepsPending);
  }
}
