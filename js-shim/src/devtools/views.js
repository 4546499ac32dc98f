/** The sections of the panel, each made of what `lookAt` found. */

import { h, facts, table } from './dom.js';

/**
 * @typedef {import('../api/connection.js').Connection} Connection
 * @typedef {import('./look.js').Look} Look
 * @typedef {import('./timeline.js').Row} Row
 *
 * @typedef {object} Seen
 * @property {Connection} connection
 * @property {Look} look
 * @property {Row[]} rows
 */

/** By their names. @type {Record<string, (seen: Seen) => any>} */
export const VIEWS = {
  Overview: overview,
  Documents: documents,
  Shared: shared,
  Storage: storage,
  Timeline: timeline,
};

/** @param {string} id of a tab */
const short = (id) => h('code', { title: id }, id.slice(0, 8));

/** @param {Look} look @param {string[]} ids */
const tabsOf = (look, ids) => {
  const counts = new Map();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return [...counts].flatMap(([id, count], at) => [
    at ? ', ' : '',
    short(id),
    id === look.tab ? ' (here)' : '',
    count > 1 ? ` × ${count}` : '',
  ]);
};

/** @param {Seen} seen */
function overview({ connection, look }) {
  const { host, state } = connection;
  const { details, pendingOps, sockets, docs } = look.status ?? {};
  return [
    h('h2', 'Host'),
    facts([
      ['Place', `${host.kind}, ${host.place}`],
      ['Why there', host.reason],
      ['Epoch', h('code', details?.epoch)],
      ['Line', h('code', details?.line)],
      ['Connection', h(state === 'connected' ? 'span.good' : 'span.warn', state)],
      ['Client id', h('code', details?.src)],
      ['Server sockets', sockets],
      ['Documents', docs],
      ['Ops not acknowledged', pendingOps],
      ['Host lock', look.holder ? 'held' : h('span.warn', 'free, or this page is alone')],
    ]),
    h('h2', 'Tabs'),
    table(
      ['Tab', 'Lock', ['Unconfirmed', 'number'], 'Follows'],
      (details?.tabs ?? []).map((/** @type {any} */ tab) => [
        [short(tab.id), tab.id === look.tab ? ' (here)' : ''],
        look.locks.get(tab.id) ? h('span.good', 'held') : h('span.warn', 'not held'),
        tab.unconfirmed,
        tab.stalled ? h('span.warn', 'lags') : 'yes',
      ]),
      'The host knows no tab.',
    ),
  ];
}

/** @param {any} op */
const opName = (op) => (op ? h('code', `${op.src?.slice(0, 8) ?? ''} #${op.seq ?? '–'}`) : '–');

/** @param {Seen} seen */
function documents({ look }) {
  const docs = look.status?.details?.docs ?? [];
  const rows = docs.map((/** @type {any} */ doc) => [
    h('code', `${doc.collection}/${doc.id}`),
    doc.version,
    doc.revision,
    doc.inflight ? [opName(doc.inflight), ' by ', tabsOf(look, doc.inflight.tabs)] : '–',
    doc.pending.length
      ? [
          `${doc.pending.length} by `,
          tabsOf(
            look,
            doc.pending.flatMap((/** @type {any} */ op) => op.tabs),
          ),
        ]
      : '–',
    doc.tabs.map((/** @type {any} */ tab, /** @type {number} */ at) => [
      at ? ', ' : '',
      short(tab.id),
      ` at ${tab.revision ?? '–'}${tab.live ? '' : ' (not live)'}`,
    ]),
    doc.type?.split('/').at(-1),
  ]);
  const heads = /** @type {any} */ ([
    'Document',
    ['Version', 'number'],
    ['Revision', 'number'],
    'Inflight',
    'Pending',
    'Tabs',
    'Type',
  ]);
  return table(heads, rows, 'The host has no document in memory.');
}

/** @param {Seen} seen */
function shared({ look }) {
  const { queries = [], presence = [] } = look.status?.details ?? {};
  return [
    h('h2', 'Queries'),
    table(
      ['Kind', 'Collection', 'Query', ['Results', 'number'], 'Tabs'],
      queries.map((/** @type {any} */ query) => [
        query.action === 'qs' ? 'subscribe' : 'fetch',
        query.collection,
        h('code', JSON.stringify(query.query ?? null)),
        query.ready ? query.results : 'waits',
        tabsOf(look, query.tabs),
      ]),
      'No query.',
    ),
    h('h2', 'Presence'),
    table(
      ['Channel', 'Subscribed', ['Own', 'number'], ['Others', 'number'], 'Tabs'],
      presence.map((/** @type {any} */ channel) => [
        h('code', channel.channel),
        channel.subscribed ? 'yes' : 'no',
        channel.local,
        channel.remote,
        tabsOf(look, channel.tabs),
      ]),
      'No presence channel.',
    ),
  ];
}

/** @param {number | undefined} count of bytes */
function bytes(count) {
  if (count === undefined) return '–';
  if (count < 10_000) return `${count} B`;
  return count < 10_000_000 ? `${(count / 1e3).toFixed(1)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

/** @param {Seen} seen */
function storage({ connection, look }) {
  const { store, deadLetters = 0 } = look.status?.details ?? {};
  const { mode, durable, reason, persisted } = connection.storage;
  return [
    h('h2', 'Store'),
    facts([
      ['Mode', mode],
      ['Durable', durable ? h('span.good', 'yes') : 'no'],
      ['Why', reason],
      [
        'The browser keeps it',
        persisted === undefined ? 'not asked' : persisted ? 'promised' : 'no promise',
      ],
      ['Records', store?.records],
      [
        'Journal',
        store && `${store.journal} records, ${bytes(store.journal_bytes ?? store.journalBytes)}`,
      ],
      ['Documents to write', store?.queue],
      ['Origin uses', `${bytes(look.estimate?.usage)} of ${bytes(look.estimate?.quota)}`],
    ]),
    h('h2', 'Dead letters'),
    table(
      [['Number', 'number'], 'Document', 'Error', 'Op'],
      connection.deadLetters.map((/** @type {any} */ letter) => [
        letter.number,
        h('code', `${letter.collection}/${letter.id}`),
        h('span.bad', letter.error.code ?? letter.error.message),
        h('code', JSON.stringify(letter.op ?? letter.create ?? 'del')),
      ]),
      deadLetters ? `${deadLetters} in the host; this tab has no store to see them by.` : 'None.',
    ),
  ];
}

/** What the time up to a step was spent on. @type {Record<string, string>} */
const SPENT = { accepted: 'taken', sent: 'accepted', server: 'sent', answered: 'server' };

/** @param {number} milliseconds */
const ms = (milliseconds) => `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;

/** @param {Seen} seen */
function timeline({ look, rows }) {
  const longest = Math.max(
    1,
    ...rows.map(({ steps }) => /** @type {any} */ (steps.at(-1)).at - steps[0].at),
  );
  const legend = [
    ['taken', 'until the host has it durably'],
    ['accepted', 'until it is sent'],
    ['sent', 'until the server answers'],
    ['server', 'until the tab is told'],
  ];
  return [
    h(
      'div.legend',
      legend.map(([name, what]) => h('span', h(`i.${name}`), what)),
    ),
    rows.length
      ? rows.map((row) => timelineRow(look, row, longest))
      : h('p.muted', 'Nothing was asked of this host yet.'),
  ];
}

/**
 * @param {Look} look
 * @param {Row} row
 * @param {number} longest
 */
function timelineRow(look, row, longest) {
  const { steps, outcome } = row;
  const parts = steps.slice(1).map((step, at) => ({ ...step, took: step.at - steps[at].at }));
  const total = /** @type {any} */ (steps.at(-1)).at - steps[0].at;
  const isGood = ['acknowledged', 'answered'].includes(outcome ?? '');
  const width = (/** @type {number} */ took) => `${((100 * took) / longest).toFixed(2)}%`;
  return h(
    'div.row',
    { title: row.key },
    h('span.when', short(row.tab), row.tab === look.tab ? ' here' : ''),
    h('span', h('span.tag', row.name), ' ', h('code', row.what)),
    h(
      'div.bar',
      parts.map(({ name, took }) =>
        h(`i.${SPENT[name] ?? 'taken'}`, { style: `width:${width(took)}` }),
      ),
    ),
    h(
      'span.latency',
      outcome ? h(isGood ? 'span.good' : 'span.bad', `${outcome} `) : h('span.warn', 'waits '),
      ms(total),
    ),
    h('span.steps', parts.map(({ name, took }) => `${name} +${ms(took)}`).join(' · ')),
  );
}
