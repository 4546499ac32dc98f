/** The host's storage on real IndexedDB. */
import { handleTests } from './storage/handles.mjs';
import { oneHostTests } from './storage/one-host.mjs';
import { wholeDriverTests } from './storage/whole-driver.mjs';
import { writeTests } from './storage/writes.mjs';

export const storageTests = [...writeTests, ...handleTests, ...oneHostTests, ...wholeDriverTests];
