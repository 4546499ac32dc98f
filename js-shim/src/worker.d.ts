/** The types of `sharedb-proxy/worker`. */
import type { Type } from './index.cjs';

/**
 * Serves the tabs of this SharedWorker. Call it while the module is evaluated: a tab may be
 * waiting already.
 */
export function serve(options?: {
  /** The OT types that documents may have, beside json0. */
  types?: Type[];
}): void;
