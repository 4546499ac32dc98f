/**
 * sharedb-postgres, and patience. Where PostgreSQL is restarted, or fails over, the adapter's calls fail, and ShareDB passes
 * that on to clients as the refusal of an op: a client gives the op up, although it may even be committed. Here such a call
 * waits until PostgreSQL is back.
 *
 * A commit whose end is not known counts as one that lost against another: ShareDB then reads the document again, finds the op
 * under its `src` and `seq`, or commits it. So none is committed twice.
 */
import PostgresDB from 'sharedb-postgres';

/** Milliseconds until a call is made again. */
const AGAIN_MS = 250;
/** Milliseconds in which a read has to succeed that no submit waits for: a page that opens shows the error then. */
const PATIENCE_MS = 30_000;

/** Whether an error is not about what was asked: PostgreSQL could not be reached, stopped, or asks to try again. */
export function isAway({ code, message = '' }) {
  // Classes of SQLSTATE: connection, operator intervention, resources, and transactions that were rolled back.
  if (/^[0-9A-Z]{5}$/.test(code ?? '')) return /^(08|57P|53|40)/.test(code);
  return (
    /^(ECONN|EPIPE|ETIMEDOUT)/.test(code ?? '') ||
    /^(Connection terminated|timeout exceeded)/.test(message)
  );
}

export class PatientPostgres extends PostgresDB {
  #waiting = 0;

  /** @param {object} options of `pg.Pool`, beside libpq's variables */
  constructor(options) {
    super({ connectionTimeoutMillis: 5_000, ...options });
    // An idle connection that ends is an `error` event of the pool; without a listener it would end the process.
    this._pool.on('error', (error) => console.error('PostgreSQL:', error.message));
  }

  commit(collection, id, op, snapshot, options, callback) {
    super.commit(collection, id, op, snapshot, options, (error, succeeded) => {
      if (!error || !isAway(error)) return callback(error, succeeded);
      this.#later(() => callback(null, false));
    });
  }

  getSnapshot(collection, id, fields, options, callback) {
    const read = (done) => super.getSnapshot(collection, id, fields, options, done);
    this.#read(read, fields?.$submit, callback);
  }

  getOps(collection, id, from, to, options, callback) {
    const read = (done) => super.getOps(collection, id, from, to, options, done);
    this.#read(read, options?.metadata, callback);
  }

  /** Reads until that succeeds: for a submit for ever, since its client would take an error for a refusal. */
  #read(read, isForSubmit, callback, since = Date.now()) {
    read((error, result) => {
      const mayWait = isForSubmit || Date.now() - since < PATIENCE_MS;
      if (!error || !isAway(error) || !mayWait) return callback(error, result);
      this.#later(() => this.#read(read, isForSubmit, callback, since));
    });
  }

  #later(then) {
    this.#waiting += 1;
    setTimeout(() => {
      this.#waiting -= 1;
      then();
    }, AGAIN_MS);
  }

  /** Whether PostgreSQL answers. */
  async isHere() {
    return this._pool.query('SELECT 1').then(
      () => true,
      () => false,
    );
  }

  /** `waiting`: calls that wait for a connection of the pool; `away`: calls that wait for PostgreSQL. */
  status() {
    const { totalCount, idleCount, waitingCount } = this._pool;
    return { connections: totalCount, idle: idleCount, waiting: waitingCount, away: this.#waiting };
  }
}
