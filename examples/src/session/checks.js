/**
 * What can be checked among the open tabs. The tab whose button was pressed has all tabs do something at once, by tasks that
 * it delegates to each of them, and compares what they answer.
 */
import { IDLE, tabs } from './coordinator.js';

/** How often tabs are asked again that do not agree yet, and the pause between, in milliseconds. */
const [TRIES, PAUSE] = [20, 250];
/** How long a tab goes on waiting for the others where the tab that asked is gone, in milliseconds. */
const PATIENCE = 5_000;
/** How often each tab takes the lock. */
const TURNS = 5;
/** By how much two countdowns may differ, in milliseconds. */
const IDLE_TOLERANCE = 50;
/** A browser need not give its pages the exact time. In milliseconds. */
const CLOCK_TOLERANCE = 2;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// ---- What each tab does ----

/** What a tab does with all others. `gate` opens when all have begun. */
const ACTS = {
  async refresh(run, gate) {
    let requests = 0;
    const token = await tabs.refresh(async () => {
      requests += 1;
      await fetch('/admin/status');
      await gate;
      return `token of ${run}`;
    });
    return { requests, token };
  },

  async show(run, gate) {
    let shown = 0;
    const answer = await tabs.showOnce(`check ${run}`, async () => {
      shown += 1;
      await gate;
      return `answer of ${run}`;
    });
    return { shown, answer };
  },

  async lock() {
    const turns = [];
    while (turns.length < TURNS) {
      await tabs.lock('check', async ({ token }) => {
        const turn = { token, begin: Date.now() };
        await pause(5);
        turns.push({ ...turn, end: Date.now() });
      });
    }
    return turns;
  },
};

/** Lets the other tabs run checks with this one. */
export function takePart() {
  let term;
  tabs.on('leader', (leading) => (term = leading.term));
  tabs.handle('look', () => ({
    isLeader: tabs.isLeader,
    leader: tabs.leader,
    term: tabs.isLeader ? term : undefined,
    bundle: tabs.bundle ?? null,
    endsAt: Date.now() + tabs.idleLeft,
  }));
  const begun = new Map();
  tabs.handle('begin', ({ act, run }) => {
    let open;
    const gate = new Promise((resolve) => (open = resolve));
    const result = ACTS[act](run, Promise.race([gate, pause(PATIENCE)]));
    // Whoever asks for the result hears of its failure.
    result.catch(() => {});
    begun.set(run, { open, result });
  });
  tabs.handle('end', ({ run }) => {
    const { open, result } = begun.get(run);
    begun.delete(run);
    open();
    return result;
  });
}

// ---- What the tab does that runs the checks ----

/** Has all tabs do something, and gives their answers. */
const ask = (ids, task, payload) =>
  Promise.all(ids.map((to) => tabs.delegate(task, payload, { to })));

/**
 * Has all tabs do the same at once: none of them ends before all have begun.
 *
 * @param {keyof typeof ACTS} act
 */
export async function together(act) {
  const ids = [...tabs.connectedTabs];
  const run = crypto.randomUUID();
  await ask(ids, 'begin', { act, run });
  return ask(ids, 'end', { run });
}

/** Asks all tabs how things are, again and again until `isFine` says so. */
async function agreed(isFine) {
  for (let left = TRIES; ; left -= 1) {
    const looks = await ask([...tabs.connectedTabs], 'look');
    if (isFine(looks)) return looks;
    expect(left > 0, `they did not agree: ${JSON.stringify(looks)}`);
    await pause(PAUSE);
  }
}

function expect(condition, message) {
  if (!condition) throw new Error(message);
}

const sum = (numbers) => numbers.reduce((sum, number) => sum + number, 0);
const isOne = (values) => new Set(values.map((value) => JSON.stringify(value))).size === 1;

/** Each gives in words what was seen, or throws. */
const CHECKS = {
  async 'One tab leads, and all know which'() {
    const looks = await agreed((looks) => {
      const terms = looks.flatMap(({ isLeader, term }) => (isLeader ? [term] : []));
      // While one tab hands over to another, answers of both may come, of different terms.
      expect(new Set(terms).size === terms.length, 'two tabs lead in the same term');
      return terms.length === 1 && isOne(looks.map(({ leader }) => leader));
    });
    return `${looks.length} tabs name the same leader`;
  },

  async 'A refresh in all tabs makes one request'() {
    const answers = await together('refresh');
    const requests = sum(answers.map(({ requests }) => requests));
    expect(requests === 1, `${requests} requests were made`);
    expect(isOne(answers.map(({ token }) => token)), 'the tabs have different tokens');
    return `${answers.length} tabs, ${requests} request`;
  },

  async 'A lock never has two holders'() {
    const turns = (await together('lock')).flat().sort((a, b) => a.token - b.token);
    for (const [i, turn] of turns.entries()) {
      if (i === 0) continue;
      const before = turns[i - 1];
      expect(turn.token > before.token, `the token ${turn.token} was given twice`);
      const overlap = before.end - turn.begin;
      expect(overlap <= CLOCK_TOLERANCE, `two tabs held it for ${overlap} ms`);
    }
    return `${turns.length} turns, each with a token of its own`;
  },

  async 'A question is shown once, and all have the answer'() {
    const answers = await together('show');
    const shown = sum(answers.map(({ shown }) => shown));
    expect(shown === 1, `it was shown ${shown} times`);
    expect(isOne(answers.map(({ answer }) => answer)), 'the tabs have different answers');
    return `${answers.length} tabs, shown ${shown} time`;
  },

  async 'The state is the same in all tabs'() {
    await tabs.requestReset({ add: 1 });
    const looks = await agreed((looks) => isOne(looks.map(({ bundle }) => bundle)));
    return `version ${looks[0].bundle.version} in ${looks.length} tabs`;
  },

  async 'The countdowns agree within 50 ms'() {
    const spread = (looks) => {
      const ends = looks.map(({ endsAt }) => endsAt);
      return Math.max(...ends) - Math.min(...ends);
    };
    await tabs.idle(IDLE);
    const looks = await agreed((looks) => spread(looks) <= IDLE_TOLERANCE);
    return `they differ by ${spread(looks)} ms`;
  },
};

/**
 * Runs all checks among the tabs that are open.
 *
 * @param {(result: {name: string, isFine: boolean, seen: string}) => void} tell
 */
export async function runChecks(tell) {
  for (const [name, check] of Object.entries(CHECKS)) {
    try {
      tell({ name, isFine: true, seen: await check() });
    } catch (error) {
      tell({ name, isFine: false, seen: error.message });
    }
  }
}
