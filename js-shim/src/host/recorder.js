/**
 * The flight recorder of a host: the inputs and outputs of its machine, in order, from the beginning of its life.
 * A machine has no clock, no chance and no types of its own, so the inputs alone give the same outputs again:
 * `cargo xtask replay` does that. `docs/debugging.md` describes the format.
 *
 * It is always on, so it keeps references to the strings and arrays that cross, and writes JSON only for an export. It is
 * bounded: the oldest entries are dropped, and the trace then says that it is not complete.
 */

import { HOST_OUTPUTS } from '../cores/events.js';
import { HostCore } from '../cores/host-core.js';
import { redacted, wellFormed } from './redact.js';

/** The version of the format. A replay refuses others. */
const FORMAT = 1;

/**
 * Inputs that are kept at most, and characters of their texts and those of the outputs.
 *
 * @typedef {import('../index.d.cts').RecorderBounds} Bounds
 */

/** @type {Required<Bounds>} */
const BOUNDS = { inputs: 4_000, characters: 1024 * 1024 };
/** A recorder that keeps nothing. */
const NOTHING = { inputs: 0, characters: 0 };
/** Entries are dropped by the segment, of which there are at least so many. */
const SEGMENTS = 8;

/**
 * An entry, as it is kept: of an input the method's name, the time and the arguments; of an output the number of its kind
 * and the arguments; of a call of a type `type` and what `Recorder` says below; of the end of a poll what it returned.
 *
 * @typedef {any[] | boolean | undefined} Entry
 *
 * @typedef {{entries: Entry[], inputs: number, bytes: number}} Segment
 *
 * @typedef {import('../cores/types-bridge.js').TypeBridge} TypeBridge
 * @typedef {import('../cores/types-bridge.js').TypesBridge} TypesBridge
 */

/** @returns {Segment} */
const newSegment = () => ({ entries: [], inputs: 0, bytes: 0 });

/** The recording of one life of a host. */
export class Recorder {
  /**
   * @param {Recorder} [earlier] that of the life before in this place; those before it are dropped
   * @param {false | Bounds} [bounds] `false`: nothing is recorded
   */
  constructor(earlier, bounds) {
    this._bounds = bounds === false ? NOTHING : { ...BOUNDS, ...bounds };
    if (earlier) earlier._earlier = undefined;
    this._earlier = earlier;
    /** The arguments that the machine was made with. @type {any[]} */
    this._made = [];
    this._segment = newSegment();
    /** Full ones, oldest first. @type {Segment[]} */
    this._segments = [];
    /** How many entries were dropped, and whether a part of one was. */
    this._dropped = 0;
    this._isCut = false;
    /** Why the life ended. @type {string | undefined} */
    this._end = undefined;
    /** The last answers about types, by question. @type {Map<string, any>} */
    this._told = new Map();
  }

  // ---- What happens ----

  /** @param {any[]} made the arguments that the machine was made with, the types left out */
  begin(made) {
    this._made = made;
  }

  /** @param {any[]} input the method's name, the time, the arguments */
  input(input) {
    if (!this._bounds.inputs) return;
    this._add(input, 2);
    this._segment.inputs += 1;
  }

  /** @param {any[]} output the number of its kind, and the arguments */
  output(output) {
    if (this._bounds.inputs) this._add(output, 1);
  }

  /** @param {boolean | undefined} more what the poll returned that ends here */
  polled(more) {
    if (this._bounds.inputs) this._segment.entries.push(more);
  }

  /**
   * The life ended otherwise than by what the machine was told.
   *
   * @param {any} reason
   */
  end(reason) {
    this._end = String(reason?.message ?? reason);
  }

  /**
   * @param {any[]} entry
   * @param {number} from where its contents begin
   */
  _add(entry, from) {
    let bytes = 0;
    for (let at = from; at < entry.length; at += 1) bytes += weigh(entry[at]);
    const { inputs, characters } = this._bounds;
    if (bytes > characters) {
      this._isCut = true;
      entry = [...entry.slice(0, from), { cut: bytes }];
      bytes = 0;
    }
    const segment = this._segment;
    segment.entries.push(entry);
    segment.bytes += bytes;
    if (segment.inputs < inputs / SEGMENTS && segment.bytes < characters / SEGMENTS) return;
    this._segments.push(segment);
    this._segment = newSegment();
    this._drop();
  }

  _drop() {
    const sum = (/** @type {'inputs' | 'bytes'} */ what) =>
      this._segments.reduce((total, segment) => total + segment[what], 0);
    let [inputs, bytes] = [sum('inputs'), sum('bytes')];
    while (inputs > this._bounds.inputs || bytes > this._bounds.characters) {
      const [oldest] = this._segments.splice(0, 1);
      inputs -= oldest.inputs;
      bytes -= oldest.bytes;
      this._dropped += oldest.entries.length;
    }
  }

  // ---- Types ----

  /**
   * The same types. What they answer is recorded: a replay has none of them. What the machine asks again and again is
   * recorded when the answer is another one.
   *
   * @param {TypesBridge} types
   * @returns {TypesBridge}
   */
  watch(types) {
    if (!this._bounds.inputs) return types;
    return {
      resolve: (name) => {
        const type = types.resolve(name);
        const answer = type ? [type.uri, type.name, type.native] : null;
        this._tell(`resolve ${name}`, String(answer), ['type', 'resolve', name, answer]);
        return type && this._watchType(type);
      },
      defaultUri: () => {
        const uri = types.defaultUri();
        this._tell('defaultUri', uri, ['type', 'defaultUri', uri]);
        return uri;
      },
    };
  }

  /**
   * @param {string} question
   * @param {any} answer
   * @param {any[]} entry
   */
  _tell(question, answer, entry) {
    if (this._told.get(question) === answer) return;
    this._told.set(question, answer);
    this._add(entry, 2);
  }

  /**
   * @param {TypeBridge} type
   * @returns {TypeBridge}
   */
  _watchType(type) {
    const { uri } = type;
    return /** @type {any} */ (
      new Proxy(type, {
        get: (target, key) => {
          const value = /** @type {any} */ (target)[key];
          const name = String(key);
          if (typeof value === 'function')
            return (/** @type {any[]} */ ...args) => this._call(target, name, args);
          // The others do not change, and are recorded with the answer to `resolve`.
          if (name.startsWith('can'))
            this._tell(`${name} ${uri}`, value, ['type', 'is', uri, name, value]);
          return value;
        },
      })
    );
  }

  /**
   * @param {any} type
   * @param {string} method
   * @param {any[]} args
   */
  _call(type, method, args) {
    try {
      const result = type[method](...args);
      this._add(['type', 'gave', type.uri, method, result], 4);
      return result;
    } catch (/** @type {any} */ error) {
      const { message = String(error), code } = error ?? {};
      this._add(['type', 'threw', type.uri, method, String(message), code], 4);
      throw error;
    }
  }

  // ---- The export ----

  /**
   * The recordings of this life and of the one before in this place, where there was one, as JSON.
   *
   * @param {object} options
   * @param {boolean} [options.redact] contents are replaced by their type and length
   * @param {number} [options.since] only this life, from the entry of this number on
   */
  export({ redact = false, since = undefined }) {
    const clean = redact ? redacted : wellFormed;
    const lives = since === undefined && this._earlier ? [this._earlier, this] : [this];
    const head = {
      format: 'sharedb-proxy trace',
      version: FORMAT,
      redacted: redact,
      wall: Date.now(),
      now: performance.now(),
    };
    const texts = lives.map((life) => life._text(clean, since ?? 0));
    return `${JSON.stringify(head).slice(0, -1)},"lives":[${texts.join(',\n')}]}`;
  }

  /**
   * One line for each entry.
   *
   * @param {(name: string, value: any) => any} clean
   * @param {number} since
   */
  _text(clean, since) {
    const [epoch, isPrivate, opensSockets, store, src, hasUrl] = this._made;
    const all = [...this._segments, this._segment].flatMap(({ entries }) => entries);
    const first = Math.max(since, this._dropped);
    const head = {
      options: { epoch, private: isPrivate, opensSockets, store, src, hasUrl },
      complete: !this._isCut && first === 0 && this._bounds.inputs > 0,
      end: this._end,
      first,
    };
    const lines = all.slice(first - this._dropped).map((entry) => lineOf(entry, clean));
    return `${JSON.stringify(head).slice(0, -1)},"entries":[\n${lines.join(',\n')}\n]}`;
  }
}

/**
 * Characters of a value's texts.
 *
 * @param {any} value
 * @returns {number}
 */
function weigh(value) {
  if (typeof value === 'string') return value.length;
  if (!Array.isArray(value)) return 0;
  let sum = 0;
  for (const item of value) sum += weigh(item);
  return sum;
}

/**
 * @param {Entry} entry
 * @param {(name: string, value: any) => any} clean
 */
function lineOf(entry, clean) {
  if (!Array.isArray(entry)) return JSON.stringify(['poll', entry]);
  const [what, ...rest] = entry;
  if (what === 'type') return JSON.stringify(['type', ...rest.map((item) => clean('type', item))]);
  const isInput = typeof what === 'string';
  const args = isInput ? rest.slice(1) : rest;
  while (args.length && args.at(-1) === undefined) args.pop();
  const name = isInput ? what : HOST_OUTPUTS[what];
  const contents = args.map((argument) => clean(name, argument));
  return JSON.stringify(isInput ? ['in', rest[0], name, contents] : ['out', name, contents]);
}

// ---- The machine ----

/** The machine's inputs, without those that need the wall clock. */
export const INPUTS = /** @type {const} */ ([
  ...['configure', 'haveUrl', 'connect', 'bindSocket', 'socketOpened', 'socketMessage'],
  ...[
    'socketClosed',
    'socketFailed',
    'handleTimer',
    'quarantine',
    'setStorageMode',
    'serveRealtime',
  ],
  ...['storageDone', 'storageFailed', 'closeStore', 'resumeStore', 'tabsFound', 'tabsAsleep'],
  ...['resign', 'depose', 'handleIdle', 'setId', 'setSeq'],
]);
/** Those that do, with how many arguments come before it. */
export const TIMED = /** @type {const} */ ({
  handleAlarm: 0,
  handleRealtime: 1,
  wake: 1,
  handleTab: 2,
  tabGone: 1,
});

/**
 * As who calls it sees it.
 *
 * @typedef {object} Timed
 * @property {() => void} handleAlarm
 * @property {(report: string) => void} handleRealtime
 * @property {(random: number) => void} wake
 * @property {(tab: string, text: string) => void} handleTab
 * @property {(tab: string) => void} tabGone
 *
 * @typedef {Omit<HostCore, keyof Timed> & Timed} TimedCore
 */

/** The machine of a host. Its inputs are recorded, and it is told when they come; those that need the wall clock are given it. */
export class RecordedCore extends HostCore {
  /**
   * @param {Recorder} recorder
   * @param {TypesBridge} types
   * @param {[epoch: number, isPrivate: boolean, opensSockets: boolean, store?: string, src?: string, hasUrl?: boolean]
   *   } made
   */
  constructor(recorder, types, ...made) {
    recorder.begin(made);
    super(/** @type {any} */ (recorder.watch(types)), ...made);
    this.recorder = recorder;
  }

  /** @param {any} sink */
  poll(sink) {
    const more = super.poll(sink);
    this.recorder.polled(more);
    return more;
  }
}

const inner = /** @type {any} */ (HostCore.prototype);

for (const name of [...INPUTS, ...Object.keys(TIMED)]) {
  const length = /** @type {Record<string, number>} */ (TIMED)[name];
  Object.defineProperty(RecordedCore.prototype, name, {
    /** @this {RecordedCore} @param {any[]} args */
    value(...args) {
      const now = performance.now();
      if (length !== undefined) {
        args.length = length;
        args.push(now, Date.now());
      }
      this.recorder.input([name, now, ...args]);
      this.setNow(now);
      return inner[name].apply(this, args);
    },
  });
}
