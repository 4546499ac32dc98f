/**
 * The host that lives in a page: its machine and its storage. A page whose host is in a worker does not load this.
 */

import { isDead } from '../cores/cores.js';
import { HostKind } from '../cores/events.js';
import { HostCore, hostModule } from '../cores/host-core.js';
import { epoch, newSource } from '../platform/locks.js';
import { Quarantine, whatTrapped } from './quarantine.js';
import { HostStorage } from '../storage/host-storage.js';
import { typesBridge } from '../cores/types-bridge.js';

export { hostModule };

export class PageHost {
  /**
   * @param {object} options
   * @param {boolean} options.opensSockets it asks for its sockets
   * @param {any} [options.store] what the store is to be; without it nothing is stored
   * @param {string} [options.namespace] of the store
   * @param {string} [options.inMemory] why the store is to be in memory only
   * @param {boolean} [options.keepsPending]
   * @param {object} link
   * @param {(output: any[]) => void} link.carryOut whatever is not for the storage
   * @param {(error: any, trapped: import('./quarantine.js').Trapped | undefined) => void} link.died the machine crashed
   * @param {() => void} link.beginAnew another host can go on with a storage that this one had to do without
   * @param {HostStorage} [storage] that of the host before, which crashed and was detached
   */
  constructor({ opensSockets, store, namespace, inMemory, keepsPending }, link, storage) {
    this._link = link;
    this._isOver = false;
    this.storage =
      storage ?? (store ? new HostStorage({ ...store, namespace, inMemory }) : undefined);
    this.core = new HostCore(
      /** @type {any} */ (typesBridge),
      epoch(),
      true,
      opensSockets,
      store ? 'durable' : undefined,
      store ? newSource() : undefined,
    );
    this._doing = this.core.doing();
    this.core.configure(store?.maxOpBytes, keepsPending);
    this.storage?.attach(this.core, (call) => this.run(call));
  }

  /** @param {import('./quarantine.js').Trapped[]} trapped what the machines before died on */
  quarantine(trapped) {
    this.run((core) => new Quarantine().apply(core, trapped));
  }

  /**
   * Calls the machine, and carries out what follows. After the machine's death it does nothing.
   *
   * @param {(core: HostCore) => void} call
   */
  run(call) {
    if (this._isOver) return;
    const { core } = this;
    // An output may cause the next input at once. The outputs then follow each other all the same.
    let failure;
    try {
      call(core);
      for (let output = core.poll(); output; output = core.poll()) {
        try {
          if (output[0] === HostKind.Storage) void this.storage?.carryOut(output);
          else if (output[0] === HostKind.BeginAnew) this._beginAnew();
          else this._link.carryOut(output);
        } catch (error) {
          failure ??= { error };
        }
        if (this._isOver) break;
      }
      if (!this._isOver) this.storage?.stir();
    } catch (error) {
      if (!isDead(core)) throw error;
      this._die(error);
    }
    if (failure) throw failure.error;
  }

  _beginAnew() {
    this._isOver = true;
    this._link.beginAnew();
  }

  /** @param {any} error */
  _die(error) {
    if (this._isOver) return;
    this._isOver = true;
    this._link.died(error, whatTrapped(this._doing));
  }
}
