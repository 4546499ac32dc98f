/** The processes of a browser, as Linux shows them, for the engines whose protocol does not tell. */
import { readFileSync, readdirSync } from 'node:fs';

/** The parent and the processor time of a process, in ticks; nothing if it has ended. */
function look(id) {
  try {
    // What follows the name, which may have anything in it.
    const [, rest] = /^.*\) (.*)$/s.exec(readFileSync(`/proc/${id}/stat`, 'latin1'));
    const fields = rest.split(' ');
    return { id, parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
  } catch {
    return undefined;
  }
}

/** A process and all that it started, which themselves may have started others. */
function family(root) {
  const ids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const all = ids.flatMap((id) => look(Number(id)) ?? []);
  const found = all.filter(({ id }) => id === root);
  // The list grows while it is walked.
  for (const { id } of found) found.push(...all.filter(({ parent }) => parent === id));
  return found;
}

/** Kills a process and all that it started. */
export function killFamily(root) {
  for (const { id } of family(root)) {
    try {
      process.kill(id, 'SIGKILL');
    } catch {
      // It has ended with another one.
    }
  }
}

/**
 * The process among those that `root` started which does `work`: the one that uses the processor meanwhile. Others may have
 * work of their own, such as a process that the browser starts in advance, but hardly twice in turn and as much.
 */
export async function busiest(root, work) {
  let before;
  for (;;) {
    const id = await busier(root, work);
    if (id !== undefined && id === before) return id;
    before = id;
  }
}

/** The one that uses the processor twice as much as any other, if there is one. */
async function busier(root, work) {
  const before = new Map(family(root).map(({ id, ticks }) => [id, ticks]));
  await work();
  const [first, second] = family(root)
    .filter(({ id }) => id !== root)
    .map(({ id, ticks }) => ({ id, used: ticks - (before.get(id) ?? 0) }))
    .sort((a, b) => b.used - a.used);
  return first.used > 2 * (second?.used ?? 0) ? first.id : undefined;
}
