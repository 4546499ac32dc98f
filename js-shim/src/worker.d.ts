/** The types of `sharedb-proxy/worker`. */
import type { Connections, Subtype, Type, WorkerStoreOptions } from './index.cjs';

export type { Connections, OpenConnection, RealtimeConnection } from './index.cjs';

/**
 * Serves the tabs of this worker: a SharedWorker, or a tab's dedicated one. Call it while the module is evaluated: a tab may
 * be waiting already.
 */
export function serve(options?: {
  /** The OT types that documents may have, beside json0. */
  types?: Type[];
  /**
   * The subtypes of json0 that ops may have, beside text0: what a page gives to `types.map.json0.registerSubtype`. An
   * op of another one is refused with `ERR_OT_SUBTYPE_NOT_RECOGNIZED`.
   */
  subtypes?: Subtype[];
  /**
   * What of the durable store cannot be sent from a page. Whether there is one is for the pages to say. Encryption is
   * also used for what is kept only while tabs live; a storage is not. A page that names `encrypt` or `storage` itself
   * has to agree with this. What cannot be used is told to the pages, whose hosts are then their own.
   */
  durableStore?: WorkerStoreOptions;
  /** A second realtime connection, of which all tabs with a `TabCoordinator` have one. */
  connections?: Connections;
}): void;
