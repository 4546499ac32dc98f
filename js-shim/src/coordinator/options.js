/** The options of a coordinator. */

import {
  expectOption,
  isCount,
  isFunction,
  optionError,
  refuseUnknown,
} from '../options/options.js';
import { checkDevices } from './devices.js';
import { checkStateOptions } from './shared-state.js';

/** What the coordinator hands to a connection of its own. */
export const OF_CONNECTION = /** @type {const} */ ([
  'namespace',
  'durableStore',
  'useSharedWorker',
  'worker',
  'dedicatedWorker',
  'workerUrl',
  'connections',
]);
const OWN = [
  ...['connection', 'role', 'weight', 'rotation', 'state', 'refresh', 'devices'],
  ...OF_CONNECTION,
];

export const isWeight = (/** @type {any} */ value) => isCount(value) && value <= 100;
export const isRole = (/** @type {any} */ value) => value === 'auto' || value === 'observer';

/** @param {any} options */
export function checkOptions(options) {
  refuseUnknown('new TabCoordinator', options, OWN);
  expectOption('options', options, 'role', isRole, "'auto' or 'observer'");
  expectOption('options', options, 'weight', isWeight, 'a whole number from 0 to 100');
  expectOption('options', options, 'rotation', isCount, 'a number of milliseconds');
  expectOption('options', options, 'refresh', isFunction, 'a function');
  checkStateOptions(options.state);
  checkDevices(options.devices);
  if (options.devices && !options.connection) {
    const message = 'new TabCoordinator with devices needs a connection: they meet at the server';
    throw optionError('ERR_OPTION_INVALID', message);
  }
  if (options.connection) {
    const [name] = OF_CONNECTION.filter((name) => options[name] !== undefined);
    if (name === undefined) return;
    const message = `new TabCoordinator with a connection has no option ${name}: it is the connection's`;
    throw optionError('ERR_OPTION_UNKNOWN', message);
  }
  if (options.namespace === undefined) {
    const message =
      'new TabCoordinator needs a connection, or the namespace of the tabs: name the user in it, such as user.id';
    throw optionError('ERR_NAMESPACE_REQUIRED', message);
  }
}
