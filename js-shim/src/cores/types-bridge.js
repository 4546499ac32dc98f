/**
 * Gives the machines the registered OT types. Ops and snapshots cross as JSON text.
 */

import { isNative, shared } from '../platform/shared.js';

/**
 * @typedef {import('../index.d.ts').Type} Type
 * @typedef {ReturnType<typeof bridge>} TypeBridge
 * @typedef {ReturnType<typeof bridgeTo>} TypesBridge
 */

/** @param {string | undefined} text */
const parse = (text) => (text === undefined ? undefined : JSON.parse(text));

/** @param {Required<Type>} type whose optional functions are called where the machine was told that there are some */
function bridge(type) {
  /**
   * An op that the type gave, as text. What JSON has no text for is the type's fault, not the machine's.
   *
   * @param {any} op
   * @param {string} method
   */
  const opText = (op, method) => {
    const text = JSON.stringify(op);
    if (text !== undefined) return text;
    const message = `The ${method} of the type ${type.name ?? type.uri} gave no op`;
    throw new shared.Error('ERR_OT_OP_BADLY_FORMED', message);
  };
  /**
   * @param {any} op
   * @param {any} other
   * @param {'left' | 'right'} side
   */
  const transform = (op, other, side) => opText(type.transform(op, other, side), 'transform');
  return {
    uri: type.uri ?? type.name,
    name: type.name ?? type.uri,
    native: isNative(type),
    // Asked each time: an application may add to a type that is in use.
    get canCompose() {
      return typeof type.compose === 'function';
    },
    get canInvert() {
      return typeof type.invert === 'function';
    },
    get canTransformPresence() {
      return typeof type.transformPresence === 'function';
    },
    /** @type {(a: string, b: string) => string} */
    compose: (a, b) => opText(type.compose(parse(a), parse(b)), 'compose'),
    /** @type {(op: string, other: string, side: 'left' | 'right') => string} */
    transform: (op, other, side) => transform(parse(op), parse(other), side),
    /** @type {(left: string, right: string) => string[]} */
    transformX(left, right) {
      if (type.transformX) {
        return type
          .transformX(parse(left), parse(right))
          .map((/** @type {any} */ op) => opText(op, 'transformX'));
      }
      return [
        transform(parse(left), parse(right), 'left'),
        transform(parse(right), parse(left), 'right'),
      ];
    },
    /** @type {(op: string) => string} */
    invert: (op) => opText(type.invert(parse(op)), 'invert'),
    /** @type {(name: string) => boolean} */
    knowsSubtype: (name) => knowsSubtype(type, name),
    /** @type {(data: string | undefined) => string | undefined} */
    create: (data) => JSON.stringify(type.create(parse(data))),
    /** @type {(data: string | undefined, op: string) => string | undefined} */
    apply: (data, op) => JSON.stringify(type.apply(parse(data), parse(op))),
    /** @type {(data: string | undefined, ops: string[]) => string[]} */
    applyAll: (data, ops) => applyAll(type, data, ops),
    /** @type {(presence: string, op: string, isOwn: boolean) => string} */
    transformPresence: (presence, op, isOwn) =>
      JSON.stringify(type.transformPresence(parse(presence), parse(op), isOwn)) ?? 'null',
  };
}

/**
 * Applies those of the ops that apply: which ones, as a text of 0 and 1, and the data, unless that is undefined.
 *
 * @param {Type} type
 * @param {string | undefined} data
 * @param {string[]} ops
 */
function applyAll(type, data, ops) {
  /** @type {string[]} */
  const applied = [];
  const apply = (/** @type {any} */ state, /** @type {string} */ op) =>
    type.apply(state, parse(op));
  let state = parse(data);
  let which = '';
  for (const op of ops) {
    try {
      state = apply(state, op);
      applied.push(op);
      which += '1';
    } catch {
      // The type may have applied a part of it.
      state = applied.reduce(apply, parse(data));
      which += '0';
    }
  }
  const text = JSON.stringify(state);
  return text === undefined ? [which] : [which, text];
}

/**
 * Whether a json0 has a subtype. It does not say which it has, but inverts a component of a subtype that it knows: the
 * inverse keeps its `t`, or the subtype's own `invert` throws.
 *
 * @param {Required<Type>} json0
 * @param {string} name
 */
function knowsSubtype(json0, name) {
  // json0 would find what every object inherits, and take that for a subtype.
  if (name in Object.prototype) return false;
  try {
    const [inverse] = json0.invert([{ p: [], t: name, o: [] }]);
    return inverse.t === name;
  } catch {
    return true;
  }
}

/**
 * A registry, as the machines ask for it.
 *
 * @param {() => import('../index.d.ts').Types} registry
 */
export const bridgeTo = (registry) => ({
  /** @param {string} name */
  resolve(name) {
    const type = registry().map[name];
    return type && typeof type === 'object'
      ? bridge(/** @type {Required<Type>} */ (type))
      : undefined;
  },
  defaultUri: () => registry().defaultType.uri,
});

/** The registry in use: an application's own `sharedb` may bring another one. */
export const typesBridge = bridgeTo(() => shared.types);
