/**
 * The registered OT types, for the machines: ops and snapshots as JSON text.
 */

import { isNative, shared } from './shared.js';

/** @param {string | undefined} text */
const parse = (text) => (text === undefined ? undefined : JSON.parse(text));

/** @param {any} type */
function bridge(type) {
  /**
   * @param {any} op
   * @param {any} other
   * @param {'left' | 'right'} side
   */
  const transform = (op, other, side) => JSON.stringify(type.transform(op, other, side));
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
    compose: (a, b) => JSON.stringify(type.compose(parse(a), parse(b))),
    /** @type {(op: string, other: string, side: 'left' | 'right') => string} */
    transform: (op, other, side) => transform(parse(op), parse(other), side),
    /** @type {(left: string, right: string) => string[]} */
    transformX(left, right) {
      if (type.transformX) {
        return type
          .transformX(parse(left), parse(right))
          .map((/** @type {any} */ op) => JSON.stringify(op));
      }
      return [
        transform(parse(left), parse(right), 'left'),
        transform(parse(right), parse(left), 'right'),
      ];
    },
    /** @type {(op: string) => string} */
    invert: (op) => JSON.stringify(type.invert(parse(op))),
    /** @type {(data: string | undefined) => string | undefined} */
    create: (data) => JSON.stringify(type.create(parse(data))),
    /** @type {(data: string | undefined, op: string) => string | undefined} */
    apply: (data, op) => JSON.stringify(type.apply(parse(data), parse(op))),
    /** @type {(presence: string, op: string, isOwn: boolean) => string} */
    transformPresence: (presence, op, isOwn) =>
      JSON.stringify(type.transformPresence(parse(presence), parse(op), isOwn)) ?? 'null',
  };
}

/** The registry, as the machines ask for it. */
export const typesBridge = {
  /** @param {string} name */
  resolve(name) {
    const type = shared.types.map[name];
    return type && typeof type === 'object' ? bridge(type) : undefined;
  },
  defaultUri: () => shared.types.defaultType.uri,
};
