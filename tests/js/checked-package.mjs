/**
 * Preloaded by `run.mjs --checked`: what imports the shim gets the copy of it whose module panics where a sum overflows,
 * as `cargo xtask build --checked` makes it.
 */

import { register } from 'node:module';

register('./checked-resolve.mjs', import.meta.url);
