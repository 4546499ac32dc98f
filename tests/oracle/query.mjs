// The query function of the memory database: `{odd, by, limit, count}`, each of which may be missing. The reference server
// has the same language (tests/src/server/queries.rs).

/** The `_querySync` of a MemoryDB. */
export function querySync(snapshots, { odd, by, limit, count } = {}) {
  const number = ({ data }, name) => (typeof data?.[name] === 'number' ? data[name] : undefined);
  const isOdd = (snapshot) => Math.abs(number(snapshot, 'n') % 2) === 1;
  let found = snapshots.filter((snapshot) => odd === undefined || isOdd(snapshot) === odd);
  const rank = (snapshot) => (by === undefined ? -1 : (number(snapshot, by) ?? -1));
  found.sort((a, b) => rank(b) - rank(a) || (a.id < b.id ? -1 : 1));
  const extra = count ? found.length : undefined;
  if (limit !== undefined) found = found.slice(0, limit);
  return { snapshots: found, extra };
}
