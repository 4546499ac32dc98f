/**
 * The state that tabs share: a config, a snapshot, and what orders them. In the leader mode the leader writes, and the others
 * ask it to; in the distributed mode any tab writes, and the later bundle wins in all of them.
 */

import { isPositiveCount, optionError } from '../options/options.js';
import { copyOf } from '../platform/json.js';
import { shared } from '../platform/shared.js';

/** @typedef {import('../coordinator.d.ts').StateBundle} StateBundle */

/** How often an update is made again on a later state. */
const ATTEMPTS = 20;

export class SharedState {
  /**
   * @param {import('./coordination.js').Coordination} coordination
   * @param {import('../coordinator.d.ts').StateOptions} options
   * @param {(event: string, ...args: any[]) => void} emit
   */
  constructor(coordination, { mode = 'leader', schema = 1, migrations = {} }, emit) {
    this._coordination = coordination;
    this._isDistributed = mode === 'distributed';
    this._schema = schema;
    this._migrations = migrations;
    this._emit = emit;
    /** As the host has it. @type {any} */
    this._told = undefined;
    /** In the schema of this tab. @type {StateBundle | undefined} */
    this._bundle = undefined;
    /** Writes are made one after the other. @type {Promise<any>} */
    this._last = Promise.resolve();
  }

  /** The bundle, in the schema of this tab; nothing before the first write. */
  get bundle() {
    return this._bundle;
  }

  /**
   * The host tells the state; nothing where there is none.
   *
   * @param {any} told
   * @param {'config' | 'snapshot'} [part]
   */
  take(told, part) {
    this._told = told;
    this._bundle = told && this._migrate(told);
    if (!this._bundle) return;
    this._emit(part === 'config' ? 'config-sync' : 'state-sync', this._bundle);
    this._emit('state', this._bundle);
  }

  /** The session changed: its state is not that of this one. */
  forget() {
    if (!this._told) return;
    this._told = this._bundle = undefined;
    this._emit('state', undefined);
  }

  /**
   * @param {any} told
   * @returns {StateBundle | undefined}
   */
  _migrate(told) {
    const { version, updatedAt, sourceId, schema, config, snapshot } = told;
    let content = { config, snapshot };
    if (schema > this._schema) {
      const message = `The shared state has schema ${schema}, this tab knows ${this._schema}: reload it`;
      this._emit('error', new shared.Error('ERR_STATE_SCHEMA', message));
      return undefined;
    }
    try {
      for (let at = schema + 1; at <= this._schema; at++) {
        const migrate = this._migrations[at];
        if (migrate) content = migrate(structuredClone(content));
      }
    } catch (error) {
      this._emit('error', error);
      return undefined;
    }
    const metadata = { version, updatedAt, sourceId, schema: this._schema };
    return { ...metadata, metadata, config: content.config, snapshot: content.snapshot };
  }

  /**
   * Changes a part of the state; a function is given what it is now, and gives what it is to be.
   *
   * @param {'config' | 'snapshot'} part
   * @param {any} value
   * @returns {Promise<void>}
   */
  write(part, value) {
    const attempt = this._last.then(() => this._write(part, value));
    this._last = attempt.catch(() => {});
    return attempt;
  }

  /**
   * @param {'config' | 'snapshot'} part
   * @param {any} value
   */
  async _write(part, value) {
    for (let left = ATTEMPTS; ; left--) {
      const { _told: told, _bundle: bundle } = this;
      if (told && !bundle) {
        const message = `The shared state has schema ${told.schema}, this tab knows ${this._schema}: reload it`;
        throw new shared.Error('ERR_STATE_SCHEMA', message);
      }
      const now = { config: bundle?.config ?? null, snapshot: bundle?.snapshot ?? null };
      const next = typeof value === 'function' ? value(structuredClone(now[part])) : value;
      const base = told?.version ?? 0;
      const parts = copyOf({ ...now, [part]: next ?? null }, 'The shared state');
      try {
        return await this._coordination.ask('write', {
          part,
          ...(!this._isDistributed && { base }),
          bundle: {
            version: base + 1,
            updatedAt: Date.now(),
            sourceId: this._coordination.id,
            schema: this._schema,
            ...parts,
          },
        });
      } catch (/** @type {any} */ error) {
        // Another leader wrote before: the state has come meanwhile, or comes before the answer.
        if (error?.code !== 'ERR_STATE_CONFLICT' || left <= 0) throw error;
      }
    }
  }
}

/** @param {any} options */
export function checkStateOptions(options = {}) {
  const { mode, schema, migrations } = options;
  const fail = (/** @type {string} */ message) => {
    throw optionError('ERR_OPTION_INVALID', message);
  };
  if (![undefined, 'leader', 'distributed'].includes(mode))
    fail("options.state.mode is not 'leader' or 'distributed'");
  if (schema !== undefined && !isPositiveCount(schema))
    fail('options.state.schema is not a whole number, 1 or more');
  if (migrations !== undefined && typeof migrations !== 'object')
    fail('options.state.migrations is not an object of functions');
  return options;
}
