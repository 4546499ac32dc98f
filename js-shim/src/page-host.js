/**
 * The host that lives in a page: its machine and its storage. A page whose host is in a worker does not load this.
 */

import { HostKind } from './events.js';
import { HostCore, hostModule } from './host-core.js';
import { epoch, newSource } from './locks.js';
import { HostStorage } from './storage/host-storage.js';
import { typesBridge } from './types-bridge.js';

export { hostModule };

export class PageHost {
  /**
   * @param {object} options
   * @param {boolean} options.opensSockets it asks for its sockets
   * @param {any} [options.store] what the store is to be; without it nothing is stored
   * @param {string} [options.namespace] of the store
   * @param {string} [options.inMemory] why the store is to be in memory only
   * @param {boolean} [options.keepsPending]
   * @param {(output: any[]) => void} carryOut whatever is not for the storage
   */
  constructor({ opensSockets, store, namespace, inMemory, keepsPending }, carryOut) {
    this._carryOut = carryOut;
    this.storage = store ? new HostStorage({ ...store, namespace, inMemory }) : undefined;
    this.core = new HostCore(
      /** @type {any} */ (typesBridge),
      epoch(),
      true,
      opensSockets,
      store ? 'durable' : undefined,
      store ? newSource() : undefined,
    );
    this.core.configure(store?.maxOpBytes, keepsPending);
    this.storage?.attach(this.core, (call) => this.run(call));
  }

  /**
   * Calls the machine, and carries out what follows.
   *
   * @param {(core: HostCore) => void} call
   */
  run(call) {
    call(this.core);
    // An output may cause the next input at once. The outputs then follow each other all the same.
    let failure;
    for (let output = this.core.poll(); output; output = this.core.poll()) {
      try {
        if (output[0] === HostKind.Storage) void this.storage?.carryOut(output);
        else this._carryOut(output);
      } catch (error) {
        failure ??= { error };
      }
    }
    this.storage?.stir();
    if (failure) throw failure.error;
  }
}
