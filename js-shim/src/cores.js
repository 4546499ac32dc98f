/**
 * The machines in WebAssembly (cores): where their instances come from, and when one is dead.
 *
 * An exception that leaves a core and is not one of its own errors (a trap, a stack overflow, what a JavaScript import threw)
 * has run no destructor of Rust: borrows stay taken, and memory may be half changed. Such an instance is dead. None of its
 * cores is entered again, and the next core gets a new instance. Cores of tabs and cores of hosts never share one where
 * that can be helped, so that the death of one side does not cost the other.
 *
 * Nothing here decides what becomes of the work of a dead core; that is its owner's part.
 */

import { makeBindings } from '../pkg/sharedb_proxy.js';
import { shared } from './shared.js';
import { ensureStack } from './stack.js';

/** @typedef {ReturnType<typeof makeBindings>} Bindings */
/** @typedef {{bindings: Bindings, isDead: boolean, cause: unknown}} Instance `cause` is what it died of */

/** What all instances are made of. @type {WebAssembly.Module} */
let module;
/** The instance that was made when the module was loaded, until somebody uses it. @type {Instance | null} */
let unused = null;
/** The same, for as long as it lives. @type {Instance | null} */
let loaded = null;
/** What the cores of tabs and those of hosts are made in. @type {{instance: Instance | null}[]} */
const sides = [];

/**
 * Loads the module. Cores can be made when this has resolved.
 *
 * @param {URL | BufferSource} source
 */
export async function loadModule(source) {
  const bindings = makeBindings();
  await bindings.init({ module_or_path: source });
  useBindings(bindings);
}

/**
 * The same at once, where the bytes are here.
 *
 * @param {BufferSource} bytes
 */
export function useModule(bytes) {
  const bindings = makeBindings();
  bindings.initSync({ module: bytes });
  useBindings(bindings);
}

/** @param {Bindings} bindings with an instance */
function useBindings(bindings) {
  module = bindings.module();
  loaded = unused = { bindings, isDead: false, cause: undefined };
}

/** @returns {Instance} */
function makeInstance() {
  const ready = unused;
  unused = null;
  if (ready) return ready;
  try {
    const bindings = makeBindings();
    bindings.initSync({ module });
    return { bindings, isDead: false, cause: undefined };
  } catch (error) {
    // Older browsers make no instance of this size synchronously in a page.
    if (!loaded || loaded.isDead) throw error;
    return loaded;
  }
}

/** @param {{instance: Instance | null}} side */
function livingInstance(side) {
  if (!side.instance || side.instance.isDead) side.instance = makeInstance();
  return side.instance;
}

/** The private parts of a core. */
const PARTS = Symbol('parts');

/**
 * @template {'TabCore' | 'HostCore'} Name
 * @param {Name} name
 * @param {string} readable a method or getter that changes nothing and cannot fail in a core that is alive
 * @param {(key: string) => () => void} before what is to be done before a method or getter is entered
 * @returns {Bindings[Name]} the same class, in an instance that can be replaced
 */
function coreClass(name, readable, before) {
  const side = { instance: null };
  sides.push(side);
  class Core {
    /** @param {any[]} args */
    constructor(...args) {
      const instance = livingInstance(side);
      const Inner = /** @type {any} */ (instance.bindings[name]);
      const parts = { instance, inner: undefined, isEntered: false };
      parts.inner = enter(parts, readable, () => new Inner(...args));
      Object.defineProperty(this, PARTS, { value: parts });
    }
  }
  const { prototype } = makeBindings()[name];
  for (const [key, { get, value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (key === 'constructor') continue;
    const call = get
      ? (/** @type {any} */ inner) => inner[key]
      : (/** @type {any} */ inner, /** @type {any[]} */ args) => inner[key](...args);
    const prepare = before(key);
    /**
     * @this {any}
     * @param {any[]} args
     */
    const guarded = function (...args) {
      prepare();
      const parts = this[PARTS];
      return enter(parts, readable, call, args);
    };
    Object.defineProperty(Core.prototype, key, {
      configurable: true,
      ...(value ? { value: guarded, writable: true } : { get: guarded }),
    });
  }
  return /** @type {any} */ (Core);
}

/**
 * @typedef {{instance: Instance, inner: any, isEntered: boolean}} Parts
 *
 * @param {Parts} parts
 * @param {string} readable
 * @param {(inner: any, args: any) => any} call
 * @param {any[]} [args]
 */
function enter(parts, readable, call, args) {
  const { instance } = parts;
  if (instance.isDead) throw dead(instance.cause);
  // Only the pure functions of an OT type run while the core does.
  if (parts.isEntered) throw reentered();
  parts.isEntered = true;
  try {
    return call(parts.inner, args);
  } catch (error) {
    const { isDead: wasDead } = instance;
    // Before anything is called: there may be no stack left.
    instance.isDead = true;
    instance.cause = error;
    if (!wasDead && !isLethal(parts, readable, error)) instance.isDead = false;
    throw error;
  } finally {
    parts.isEntered = false;
  }
}

/**
 * @param {Parts} parts
 * @param {string} readable
 * @param {unknown} error
 */
function isLethal({ inner }, readable, error) {
  // The core's own.
  if (Array.isArray(error)) return false;
  if (!(error instanceof TypeError) || !inner) return true;
  // An argument that the bindings cannot convert is refused before the core is entered.
  try {
    const read = inner[readable];
    if (typeof read === 'function') read.call(inner);
    return false;
  } catch {
    return true;
  }
}

/** @param {any} cause */
function dead(cause) {
  const message = `This WebAssembly instance has crashed (${cause?.message ?? cause}): make another core`;
  return Object.assign(new shared.Error('ERR_CORE_DEAD', message), { cause });
}

function reentered() {
  const message =
    'A function of an OT type called its connection: transform, compose and invert have to be pure';
  return new shared.Error('ERR_CORE_ENTERED', message);
}

const nothing = () => {};
/** What a call of a tab's machine ends with, whatever happened in it: there was enough stack when it began. */
const OF_RUNNING = ['depth', 'poll', 'threw'];

/** A tab's machine. */
export const TabCore = coreClass('TabCore', 'depth', (key) =>
  OF_RUNNING.includes(key) ? nothing : ensureStack,
);
/** @typedef {InstanceType<typeof TabCore>} TabCore */

/** A host's machine. In a page a tab's machine calls it, and must not lose the message. */
export const HostCore = coreClass('HostCore', 'seq', () => nothing);
/** @typedef {InstanceType<typeof HostCore>} HostCore */

/**
 * Whether the core can never be entered again.
 *
 * @param {TabCore | HostCore} core
 */
export function isDead(core) {
  return /** @type {any} */ (core)[PARTS].instance.isDead;
}

/** Bytes of memory of all instances in use. */
export function memoryBytes() {
  const instances = new Set(sides.flatMap(({ instance }) => instance ?? []));
  let bytes = 0;
  for (const { bindings } of instances) bytes += bindings.memory().buffer.byteLength;
  return bytes;
}
