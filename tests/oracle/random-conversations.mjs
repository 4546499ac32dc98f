// Seeded random conversations: three sessions on two documents submit, resend, subscribe, reconnect
// and meet faults. One seed always gives the same steps.

import json0 from 'ot-json0';
import { fractionsFrom } from '../random.mjs';

const STEPS = 26;
const NAMES = ['a', 'b', 'x'];
const IDS = ['d', '7'];
const INITIAL = { list: [1, 2, 3], text: 'abc', n: 0 };

/** Returns a function that gives the next step of the conversation, and nothing at its end. */
export function randomConversation(seed) {
  const random = generator(seed);
  const actors = new Map();
  const histories = new Map(IDS.map((id) => [id, []]));
  let steps = 0;
  let connections = 0;
  const queue = [];

  const nextStep = (conversation) => {
    for (const id of IDS) remember(conversation.db, id, histories.get(id));
    if (queue.length) return queue.shift();
    if (steps++ >= STEPS) return undefined;
    const online = [...conversation.sessions.keys()];
    if (online.length < 2 || (online.length < NAMES.length && random.chance(0.15))) {
      const name = random.pick(NAMES.filter((each) => !online.includes(each)));
      return connectStep(name);
    }
    const name = random.pick(online);
    return random.weighted([
      [50, () => submitStep(name)],
      [8, () => resendStep(name)],
      [14, () => readStep(name)],
      [5, () => bulkStep(name)],
      [5, () => ['disconnect', name]],
      [4, () => ['reject', random.pick(['ERR_OP_SUBMIT_REJECTED', 'ERR_MINE']), 'no']],
      [7, () => ['fixup', [{ p: [random.pick(['k', 'l'])], oi: random.int(9) }]]],
      [2, () => ['suppress', random.chance(0.3)]],
      [8, () => ['hold', random.chance(0.5)]],
      [3, () => ['skip-no-ops', random.chance(0.7)]],
      [2, () => ['restart']],
    ])();
  };
  return nextStep;

  function connectStep(name) {
    const fresh = `client-${++connections}`;
    const known = actors.get(name);
    const returning = known !== undefined && random.chance(0.8);
    const actor = returning ? known : { src: fresh, seq: 1, sent: [] };
    actors.set(name, actor);
    queue.push([
      'send',
      name,
      {
        a: 'hs',
        id: returning ? actor.src : null,
        protocol: 1,
        protocolMinor: random.chance(0.8) ? 2 : 1,
      },
    ]);
    return ['connect', name];
  }

  function submitStep(name) {
    const actor = actors.get(name);
    const id = random.pick(IDS);
    const history = histories.get(id);
    const current = history.length - 1;
    const v = random.weighted([
      [55, current],
      [35, Math.max(0, current - 1 - random.int(4))],
      [6, null],
      [4, current + 1 + random.int(2)],
    ]);
    const base = history[v ?? current];
    const message = { a: 'op', c: 'c', d: id, v, seq: actor.seq++, x: {} };
    if (random.chance(0.05)) message.src = actor.src;
    Object.assign(message, content(base));
    actor.sent.push(message);
    return ['send', name, message];
  }

  function content(base) {
    const create = () => ({
      create: { type: random.pick(['json0', json0.type.uri]), data: INITIAL },
    });
    if (base === undefined)
      return random.weighted([
        [85, create],
        [8, () => ({ del: true })],
        [7, () => ({ op: [] })],
      ])();
    return random.weighted([
      [6, create],
      [7, () => ({ del: true })],
      [87, () => ({ op: edit(base) })],
    ])();
  }

  function edit(base) {
    let data = structuredClone(base);
    const op = [];
    for (let count = random.int(4); count > 0; count--) {
      const component = editOnce(data);
      if (!component) continue;
      try {
        data = json0.type.apply(data, [structuredClone(component)]);
      } catch {
        // Some components are wrong on purpose; the server has to refuse them.
        if (random.chance(0.7)) continue;
      }
      op.push(component);
    }
    return op;
  }

  function editOnce(data) {
    const list = Array.isArray(data.list) ? data.list : [];
    const text = typeof data.text === 'string' ? data.text : '';
    const key = random.pick(['k', 'l', 'n', 'list']);
    const at = random.int(list.length);
    const cut = random.int(text.length);
    return random.weighted([
      [20, () => ({ p: ['list', random.int(list.length + 1)], li: random.int(100) })],
      [12, () => list.length && { p: ['list', at], ld: list[at] }],
      [6, () => list.length && { p: ['list', at], ld: list[at], li: { deep: 1 } }],
      [10, () => list.length && { p: ['list', at], lm: random.int(list.length) }],
      [12, () => ({ p: ['text', random.int(text.length + 1)], si: random.pick(['x', 'yz', 'ü']) })],
      [8, () => text && { p: ['text', cut], sd: text.slice(cut, cut + 1 + random.int(2)) }],
      [
        8,
        () => ({
          p: ['text'],
          t: 'text0',
          o: [{ p: random.int(text.length + 1), i: random.pick(['q', 'rs']) }],
        }),
      ],
      [12, () => ({ p: ['n'], na: random.int(9) - 4 })],
      [
        10,
        () =>
          key in data
            ? { p: [key], od: data[key], oi: random.int(9) }
            : { p: [key], oi: random.int(9) },
      ],
      [5, () => key in data && { p: [key], od: data[key] }],
      [2, () => ({ p: ['nowhere', 'deep'], oi: 1 })],
    ])();
  }

  function resendStep(name) {
    const actor = actors.get(name);
    if (!actor.sent.length) return ['send', name, { a: 'pp' }];
    const message = { ...random.pick(actor.sent.slice(-3)), src: actor.src };
    if (random.chance(0.3)) delete message.src;
    return ['send', name, message];
  }

  function readStep(name) {
    const id = random.pick(IDS);
    const a = random.weighted([
      [3, 'f'],
      [6, 's'],
      [1, 'u'],
    ]);
    if (a === 'u') return ['send', name, { a, c: 'c', d: id }];
    const v = random.chance(0.5) ? null : random.int(histories.get(id).length + 1);
    return ['send', name, { a, c: 'c', d: id, v }];
  }

  function bulkStep(name) {
    const a = random.pick(['bf', 'bs', 'bs', 'bu']);
    if (a === 'bu' || random.chance(0.5))
      return ['send', name, { a, c: 'c', b: IDS.filter(() => random.chance(0.7)) }];
    const b = {};
    for (const id of IDS) if (random.chance(0.8)) b[id] = random.int(histories.get(id).length + 1);
    return ['send', name, { a, c: 'c', b }];
  }
}

/** Keeps the data of every version of a document; `undefined` while it does not exist. */
function remember(db, id, history) {
  const { v, data } = db._getSnapshotSync('c', id);
  history[v] = data;
}

/** The draws that the conversations need, from a seed. */
function generator(seed) {
  const next = fractionsFrom(seed);
  const int = (below) => Math.floor(next() * below);
  return {
    int,
    chance: (probability) => next() < probability,
    pick: (items) => items[int(items.length)],
    weighted(pairs) {
      let left = next() * pairs.reduce((sum, [weight]) => sum + weight, 0);
      for (const [weight, item] of pairs) if ((left -= weight) < 0) return item;
      return pairs.at(-1)[1];
    },
  };
}
