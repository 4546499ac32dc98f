/** `import 'sharedb-proxy/devtools'`: a debug console in the page. See `docs/debugging.md`. */

import type { Connection } from './index.cjs';

export interface DevtoolsOptions {
  /** What the panel fills. Without it the panel floats over the page, closed at first. */
  into?: HTMLElement;
  /** The only connection to show. Without it those of this page are, which the panel finds by itself. */
  connection?: Connection;
  open?: boolean;
}

/** Shows a panel. The result takes it away. */
export function showDevtools(options?: DevtoolsOptions): () => void;
