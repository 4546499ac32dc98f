// Hand-written conversations about queries, and about reads that are refused. See scripted-conversations.mjs.

const JSON0 = 'http://sharejs.org/types/JSONv0';
const SILENT = 'ERR_SNAPSHOT_READ_SILENT_REJECTION';

const connect = (session) => ['connect', session];
const send = (session, message) => ['send', session, { c: 'c', ...message }];
const join = (session) => [
  connect(session),
  ['send', session, { a: 'hs', id: null, protocol: 1, protocolMinor: 2 }],
];
const create = (session, seq, d, data) =>
  send(session, { a: 'op', d, v: null, seq, x: {}, create: { type: JSON0, data } });
const add = (session, seq, d, v, n) =>
  send(session, { a: 'op', d, v, seq, x: {}, op: [{ p: ['n'], na: n }] });
const del = (session, seq, d, v) => send(session, { a: 'op', d, v, seq, x: {}, del: true });
const fetch = (session, d, v = null) => send(session, { a: 'f', d, v });
const subscribe = (session, d, v = null) => send(session, { a: 's', d, v });
const query = (session, a, id, q, more) => send(session, { a, id, q, ...more });
const refuse = (d, code, ops = false) => ['refuse', 'c', d, code, ops];

/** Two clients, and three documents whose `n` is 0, 1 and 2. */
const three = [
  ...join('a'),
  ...join('b'),
  ...[0, 1, 2].map((n) => create('b', n + 1, `d${n}`, { n })),
];

export const reads = {
  'a fetch query': [
    ...join('a'),
    query('a', 'qf', 1, {}),
    ...three.slice(2),
    query('a', 'qf', 1, {}),
    query('a', 'qf', 2, { odd: true }),
    query('a', 'qf', 3, { odd: false, by: 'n', limit: 1, count: true }),
    add('b', 4, 'd0', 1, 4),
    query('a', 'qf', 3, { odd: false, by: 'n', limit: 1, count: true }),
    del('b', 5, 'd1', 1),
    query('a', 'qf', 4, { by: 'n' }),
    query('a', 'qf', 5, {}, { c: 'nothing' }),
  ],
  'a subscribed query': [
    ...three,
    query('a', 'qs', 1, { odd: false }),
    add('b', 4, 'd0', 1, 2),
    add('b', 5, 'd1', 1, 1),
    add('b', 6, 'd1', 2, 2),
    add('b', 7, 'd2', 1, 1),
    add('b', 8, 'd2', 2, 2),
    del('b', 9, 'd0', 2),
    create('b', 10, 'e', { n: 4 }),
    send('a', { a: 'qu', id: 1 }),
    add('b', 11, 'd1', 3, 1),
    send('a', { a: 'qu', id: 1 }),
    send('a', { a: 'qu', id: 7 }),
  ],
  'a subscribed query of the author': [
    ...three,
    query('b', 'qs', 1, { odd: false }),
    add('b', 4, 'd0', 1, 1),
    add('b', 5, 'd0', 2, 1),
  ],
  'a subscribed query whose order changes': [
    ...three,
    query('a', 'qs', 1, { by: 'n', count: true }),
    add('b', 4, 'd0', 1, 5),
    add('b', 5, 'd0', 2, 1),
    create('b', 6, 'e', { n: 9 }),
    del('b', 7, 'd1', 1),
  ],
  'a subscribed query with a limit': [
    ...three,
    query('a', 'qs', 1, { by: 'n', limit: 1 }),
    add('b', 4, 'd0', 1, 5),
    del('b', 5, 'd0', 2),
  ],
  'a subscribed query and a subscribed document': [
    ...three,
    subscribe('a', 'd0'),
    query('a', 'qs', 1, { odd: false }),
    add('b', 4, 'd0', 1, 2),
    add('b', 5, 'd1', 1, 2),
  ],
  'a query that brings its results': [
    ...three,
    add('b', 4, 'd0', 1, 2),
    query('a', 'qs', 1, { odd: false }, { r: [['d0', 1]] }),
    add('b', 5, 'd2', 1, 2),
    query('a', 'qs', 2, { odd: false }, { r: [['d0', null]] }),
    query(
      'a',
      'qs',
      3,
      {},
      {
        r: [
          ['d1', 1],
          ['d0', 2],
        ],
      },
    ),
    query('a', 'qs', 4, { count: true }, { r: [] }),
    query(
      'a',
      'qf',
      5,
      { odd: true },
      {
        r: [
          ['d0', 2],
          ['d2', 2],
        ],
      },
    ),
  ],
  'a query that is subscribed twice under one number': [
    ...three,
    query('a', 'qs', 1, { odd: false }),
    query('a', 'qs', 1, { odd: true }),
    add('b', 4, 'd0', 1, 2),
    add('b', 5, 'd1', 1, 2),
  ],
  'queries of a session that ends': [
    ...three,
    query('a', 'qs', 1, {}),
    ['disconnect', 'a'],
    add('b', 4, 'd0', 1, 2),
  ],
  'a query whose publication waits': [
    ...three,
    query('a', 'qs', 1, { odd: false }),
    ['hold', true],
    add('b', 4, 'd0', 1, 2),
    add('b', 5, 'd1', 1, 1),
    ['hold', false],
  ],
  'a query whose publication is suppressed': [
    ...three,
    query('a', 'qs', 1, { odd: false }),
    ['suppress', true],
    add('b', 4, 'd1', 1, 1),
    ['suppress', false],
    add('b', 5, 'd0', 1, 2),
  ],
  ...Object.fromEntries(
    ['ERR_LOUD', SILENT].map((code) => [
      `reads that are refused with ${code}`,
      [
        ...three,
        refuse('d0', code),
        fetch('a', 'd0'),
        subscribe('a', 'd0'),
        send('a', { a: 'bf', b: ['d0'] }),
        send('a', { a: 'bs', b: ['d0'] }),
        send('a', { a: 'bf', b: ['d0', 'd1'] }),
        send('a', { a: 'bs', b: ['d0', 'd1'] }),
        add('b', 4, 'd0', 1, 2),
        add('b', 5, 'd1', 1, 2),
        fetch('a', 'd0', 0),
        send('a', { a: 'bf', b: { d0: 1, d1: 0 } }),
        refuse('d0', code, true),
        fetch('a', 'd0', 0),
        fetch('a', 'd0', 2),
        send('a', { a: 'bf', b: { d0: 1, d1: 0 } }),
        send('a', { a: 'bs', b: { d0: 1, d2: 0 } }),
        add('b', 6, 'd2', 1, 2),
        subscribe('a', 'd0', 1),
        add('b', 7, 'd0', 2, 2),
        subscribe('a', 'd0', 3),
        add('b', 8, 'd0', 3, 2),
        subscribe('a', 'd0', 1),
        add('b', 9, 'd0', 4, 2),
        refuse('d0', null),
        fetch('a', 'd0'),
      ],
    ]),
  ),
  'queries whose results are refused': [
    ...three,
    refuse('d0', 'ERR_LOUD'),
    query('a', 'qf', 1, {}),
    query('a', 'qs', 2, {}),
    query('a', 'qf', 3, { odd: false, limit: 1 }),
    query('a', 'qs', 4, { odd: true }),
    add('b', 4, 'd0', 1, 1),
    add('b', 5, 'd0', 2, 2),
    add('b', 6, 'd0', 3, 1),
    refuse('d1', SILENT),
    query('a', 'qf', 5, { odd: true }),
    query('a', 'qs', 6, { odd: true }, { r: [['d1', null]] }),
    refuse('d0', null),
    refuse('d1', null),
    query('a', 'qf', 7, {}),
  ],
};
