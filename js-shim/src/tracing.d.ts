/** `sharedb-proxy/tracing`: what ops cost, for `performance` and for tracers. See `docs/debugging.md`. */

import type { Connection } from './index.cjs';

/** As a span of `@opentelemetry/api`. */
export interface Span {
  addEvent?(name: string): any;
  setAttribute?(name: string, value: string | number): any;
  setStatus?(status: { code: number; message?: string }): any;
  end(): any;
}

/** As a tracer of `@opentelemetry/api`. */
export interface Tracer {
  startSpan(name: string, options?: { attributes?: Record<string, string | number> }): Span;
}

export interface TraceOptions {
  /** Is given a span `sharedb.op` for each op, with an event `accepted`. */
  tracer?: Tracer;
  /** Whether `performance.measure` is called. By default it is where there is no tracer. */
  measure?: boolean;
}

/** Traces the ops of a connection from now on. The result ends that. */
export function traceOps(connection: Connection, options?: TraceOptions): () => void;
