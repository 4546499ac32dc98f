/**
 * Changes of a text as splices `{at, remove, insert}`: what is removed at a position and what takes its place.
 * Positions count UTF-16 code units, as JavaScript strings and json0 do.
 */

/** @typedef {{at: number, remove: number, insert: string}} Splice */

/** `text` after `splice`. */
export function spliceText(text, { at, remove, insert }) {
  return text.slice(0, at) + insert + text.slice(at + remove);
}

/**
 * The smallest single splice from `before` to `after`; null when they are equal.
 *
 * Several splices can explain the same change (which `a` of `aaaa` is the new one?); `caret`, the caret's place in
 * `after`, picks the one that ends there, which is what a person typing there meant. No surrogate pair is split.
 * @returns {Splice | null}
 */
export function findSplice(before, after, caret = after.length) {
  if (before === after) return null;
  const shorter = Math.min(before.length, after.length);
  let suffix = commonSuffix(before, after, Math.min(shorter, after.length - caret));
  let prefix = commonPrefix(before, after, shorter - suffix);
  // The caret is a hint only: where it is beyond the change, the rest that is equal counts as unchanged too.
  suffix = commonSuffix(before, after, shorter - prefix);
  if (splitsPair(before, prefix) || splitsPair(after, prefix)) prefix -= 1;
  if (splitsPair(before, before.length - suffix) || splitsPair(after, after.length - suffix))
    suffix -= 1;
  return {
    at: prefix,
    remove: before.length - prefix - suffix,
    insert: after.slice(prefix, after.length - suffix),
  };
}

function commonPrefix(a, b, limit) {
  let length = 0;
  while (length < limit && a.charCodeAt(length) === b.charCodeAt(length)) length += 1;
  return length;
}

function commonSuffix(a, b, limit) {
  let length = 0;
  while (
    length < limit &&
    a.charCodeAt(a.length - 1 - length) === b.charCodeAt(b.length - 1 - length)
  )
    length += 1;
  return length;
}

/** Whether `index` lies between the two halves of a surrogate pair of `text`. */
function splitsPair(text, index) {
  const isHigh = (text.charCodeAt(index - 1) & 0xfc00) === 0xd800;
  return isHigh && (text.charCodeAt(index) & 0xfc00) === 0xdc00;
}

/** Where `index` is after `splice`. Text inserted exactly there moves it when `stay` is false. */
export function moveIndex(index, { at, remove, insert }, stay = false) {
  if (index < at || (index === at && (stay || insert === ''))) return index;
  if (index < at + remove) return at + (stay ? 0 : insert.length);
  return index - remove + insert.length;
}

/**
 * A splice made without knowledge of others, so that it can be carried over them one by one: the ranges of the
 * text that it removes (another's insertion inside one splits it) and the place of what it inserts.
 */
export class PendingSplice {
  /** @param {Splice} splice */
  constructor({ at, remove, insert }) {
    this.ranges = remove > 0 ? [[at, at + remove]] : [];
    this.at = at;
    this.insert = insert;
  }

  /** Carries this change over `other`, which happened to the same text first. */
  follow(other) {
    const removal = { at: other.at, remove: other.remove, insert: '' };
    const insertion = { at: other.at, remove: 0, insert: other.insert };
    if (other.remove > 0) this.#map((index) => moveIndex(index, removal));
    if (other.insert !== '') {
      this.ranges = this.ranges.flatMap(([start, end]) =>
        start < other.at && other.at < end
          ? [
              [start, other.at],
              [other.at, end],
            ]
          : [[start, end]],
      );
      this.ranges = this.ranges.map(([start, end]) => [
        moveIndex(start, insertion),
        moveIndex(end, insertion, true),
      ]);
      this.at = moveIndex(this.at, insertion);
    }
  }

  #map(move) {
    this.ranges = this.ranges
      .map(([start, end]) => [move(start), move(end)])
      .filter(([start, end]) => start < end);
    this.at = move(this.at);
  }

  /** The splices to make, from the end of the text to its start, so that none moves the next. */
  splices() {
    const splices = this.ranges.map(([start, end]) => ({
      at: start,
      remove: end - start,
      insert: '',
    }));
    if (this.insert !== '') splices.push({ at: this.at, remove: 0, insert: this.insert });
    // At one place the removal goes first: the insertion would push what is to be removed away.
    return splices.sort((a, b) => b.at - a.at || b.remove - a.remove);
  }

  /** Where the end of the inserted text is, once `splices` are made: nothing before it is ever removed. */
  end() {
    return this.at + this.insert.length;
  }
}
