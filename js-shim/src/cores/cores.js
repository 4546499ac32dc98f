/**
 * Cores: the machines in WebAssembly. Makes their instances, and detects when one is dead.
 *
 * An exception that leaves a core and is not one of its own errors (a trap, a stack overflow, what a JavaScript import
 * threw) has run no destructor of Rust: borrows stay taken, and memory may be half changed. Such an instance is dead.
 * None of its cores is entered again, and the next core gets a new instance.
 *
 * Recovering the work of a dead core is its owner's part.
 */

import { shared } from '../platform/shared.js';
import { nextTick } from '../platform/ticks.js';

/**
 * What wasm-bindgen generates for one module.
 *
 * @typedef {object} Bindings
 * @property {(from: {module: any}) => any} initSync
 * @property {() => WebAssembly.Memory} memory
 *
 * @typedef {object} Instance
 * @property {any} bindings
 * @property {boolean} isDead
 * @property {unknown} cause what it died of
 * @property {WeakRef<{coreDied: () => void}>[]} owners of its cores
 */

/** The private parts of a core. */
export const PARTS = Symbol('parts');

/**
 * A WebAssembly module, and the one instance of it that cores are made in until it is dead.
 *
 * @template {Bindings} B
 */
export class CoreModule {
  /** @param {() => B} makeBindings */
  constructor(makeBindings) {
    this._makeBindings = makeBindings;
    /** Of the first instance. Functions that are made only once are the ones that engines optimise best. */
    this._bindings = makeBindings();
    /** Reads the module's bytes; nothing once they were read. @type {(() => BufferSource) | undefined} */
    this._bytes = undefined;
    /** @type {WebAssembly.Module | undefined} */
    this._module = undefined;
    /** @type {Instance | undefined} */
    this._instance = undefined;
    /** No other core is to be made in it. */
    this._isFull = false;
  }

  /**
   * Says where the module's bytes are. They are read and compiled when the first core is made.
   *
   * @param {() => BufferSource} bytes
   */
  provide(bytes) {
    if (!this._module) this._bytes = bytes;
  }

  /**
   * Compiles the module without blocking, where there is time before the first core is made.
   *
   * @throws ERR_WASM_UNAVAILABLE
   */
  async load() {
    try {
      const bytes = this._read();
      if (bytes) this._module ??= await WebAssembly.compile(bytes);
    } catch (error) {
      throw unavailable(error);
    }
  }

  /**
   * In a browser this takes WebAssembly, too.
   *
   * @returns {BufferSource | undefined} nothing where the module is compiled
   */
  _read() {
    return this._module ? undefined : /** @type {() => BufferSource} */ (this._bytes)();
  }

  /**
   * Compiles the module where it is not.
   *
   * @returns {WebAssembly.Module}
   * @throws ERR_WASM_UNAVAILABLE
   */
  compile() {
    try {
      const bytes = this._read();
      if (bytes) this._module = new WebAssembly.Module(bytes);
    } catch (error) {
      throw unavailable(error);
    }
    this._bytes = undefined;
    return /** @type {WebAssembly.Module} */ (this._module);
  }

  /** Bytes of memory of the instance. */
  get memoryBytes() {
    return this._instance ? this._bindings.memory().buffer.byteLength : 0;
  }

  /** The owners of the cores of the instance, see `noteOwner`. @returns {any[]} */
  owners() {
    const owners = this._instance?.owners.map((owner) => owner.deref());
    return owners?.filter(Boolean) ?? [];
  }

  /**
   * @returns {Instance}
   * @throws ERR_WASM_UNAVAILABLE
   */
  _livingInstance() {
    const { _instance: instance } = this;
    if (instance && !instance.isDead && !this._isFull) return instance;
    const module = this.compile();
    const bindings = instance || this._isFull ? this._makeBindings() : this._bindings;
    try {
      bindings.initSync({ module });
    } catch (error) {
      // Some browsers make no instance of this size synchronously in a page.
      if (!instance || instance.isDead) throw error;
      return instance;
    }
    this._bindings = bindings;
    this._isFull = false;
    this._instance = { bindings, isDead: false, cause: undefined, owners: [] };
    return this._instance;
  }

  /** The cores that are made from now on do not die with those before. */
  separate() {
    this._isFull = true;
  }

  /**
   * Makes a core in an instance that no other core shares.
   *
   * @template T
   * @param {() => T} make
   * @returns {T}
   */
  apart(make) {
    const { _bindings: bindings, _instance: instance, _isFull: isFull } = this;
    this._isFull = true;
    try {
      return make();
    } finally {
      this._bindings = bindings;
      this._instance = instance;
      this._isFull = isFull;
    }
  }

  /**
   * @template {keyof B} Name
   * @param {Name} name
   * @param {string} readable a method or getter that changes nothing and cannot fail in a core that is alive
   * @param {(key: string) => (() => void) | undefined} before what is to be done before a method or getter is entered
   * @returns {B[Name]} the same class, in an instance that can be replaced
   */
  coreClass(name, readable, before) {
    const module = this;
    class Core {
      /** @type {Parts} */
      [PARTS];

      /** @param {any[]} args */
      constructor(...args) {
        const instance = module._livingInstance();
        const Inner = instance.bindings[name];
        const parts = {
          instance,
          inner: undefined,
          functions: functionsOf(Inner),
          isEntered: false,
        };
        this[PARTS] = parts;
        if (instance.isDead) throw dead(instance.cause);
        try {
          parts.inner = new Inner(...args);
        } catch (error) {
          throw noteFailure(parts, readable, error);
        }
      }
    }
    const { prototype } = /** @type {any} */ (this._bindings[name]);
    memberNames(prototype).forEach((key, index) => {
      const guarded = guard(index, readable, before(key));
      const { get } = /** @type {any} */ (Object.getOwnPropertyDescriptor(prototype, key));
      Object.defineProperty(Core.prototype, key, {
        configurable: true,
        ...(get ? { get: guarded } : { value: guarded, writable: true }),
      });
    });
    return /** @type {any} */ (Core);
  }
}

/**
 * @typedef {{instance: Instance, inner: any, functions: Function[], isEntered: boolean}} Parts
 */

/** The names of methods and getters, in an order. @param {any} prototype */
const memberNames = (prototype) =>
  Object.getOwnPropertyNames(prototype).filter((key) => key !== 'constructor');

/**
 * The functions behind these names.
 *
 * @param {any} Inner
 * @returns {Function[]}
 */
function functionsOf({ prototype }) {
  return memberNames(prototype).map((key) => {
    const { get, value } = /** @type {any} */ (Object.getOwnPropertyDescriptor(prototype, key));
    return get ?? value;
  });
}

/**
 * A method or a getter that is entered only where that can be. It is on the way of each op several times: arguments are
 * passed on one by one, since an array of them would be made each time. No method has more.
 *
 * @param {number} index of the function in the core
 * @param {string} readable
 * @param {(() => void) | undefined} before
 */
function guard(index, readable, before) {
  /**
   * @this {any}
   * @type {(...args: any[]) => any}
   */
  return function guarded(a, b, c, d, e, f, g, h) {
    if (before) before();
    const parts = /** @type {Parts} */ (this[PARTS]);
    const { instance } = parts;
    if (instance.isDead) throw dead(instance.cause);
    // Only the pure functions of an OT type run while the core does.
    if (parts.isEntered) throw reentered();
    parts.isEntered = true;
    try {
      return parts.functions[index].call(parts.inner, a, b, c, d, e, f, g, h);
    } catch (error) {
      throw noteFailure(parts, readable, error);
    } finally {
      parts.isEntered = false;
    }
  };
}

/**
 * The core threw, and may be dead.
 *
 * @param {Parts} parts
 * @param {string} readable
 * @param {unknown} error
 */
function noteFailure(parts, readable, error) {
  const { instance } = parts;
  const wasDead = instance.isDead;
  // Before anything is called: there may be no stack left.
  instance.isDead = true;
  instance.cause = error;
  if (!wasDead) {
    if (isLethal(parts, readable, error)) tellOwners(instance);
    else instance.isDead = false;
  }
  return error;
}

/**
 * In the next tick: now the core may be on the stack, and the stack may be full.
 *
 * @param {Instance} instance
 */
function tellOwners(instance) {
  try {
    nextTick(() => instance.owners.forEach((owner) => owner.deref()?.coreDied()));
  } catch {
    // Not even that: they notice when they call.
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

/** The code of what cannot be done without WebAssembly. */
export const UNAVAILABLE = 'ERR_WASM_UNAVAILABLE';

/** @param {any} error as the browser gave it */
function unavailable(error) {
  const why =
    typeof WebAssembly === 'undefined'
      ? 'there is none here'
      : `it is refused here (${error?.message ?? error}). Where a Content-Security-Policy is set, its script-src needs 'wasm-unsafe-eval'`;
  return new shared.Error(UNAVAILABLE, `sharedb-proxy needs WebAssembly: ${why}`);
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

/**
 * Whether the core can never be entered again.
 *
 * @param {object} core
 */
export function isDead(core) {
  return /** @type {any} */ (core)[PARTS].instance.isDead;
}

/**
 * Has the owner of a core told when the core dies, also if it dies with another one of its instance.
 *
 * @param {object} core
 * @param {{coreDied: () => void}} owner
 */
export function noteOwner(core, owner) {
  const { instance } = /** @type {any} */ (core)[PARTS];
  const living = instance.owners.filter((/** @type {WeakRef<any>} */ known) => known.deref());
  instance.owners = [...living, new WeakRef(owner)];
}

/**
 * What the core died of.
 *
 * @param {any} core
 * @returns {any}
 */
export function causeOfDeath(core) {
  return core[PARTS].instance.cause;
}
