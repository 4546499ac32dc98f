// The hand-written conversations: one for every rule of the protocol that has an edge.
// A conversation is a list of steps; record-conversations.mjs says what each step does.

const JSON0 = 'http://sharejs.org/types/JSONv0';
const DANGEROUS = [
  '__proto__', 'constructor', 'toString', 'valueOf', 'hasOwnProperty', 'isPrototypeOf', 'propertyIsEnumerable',
  'toLocaleString', '__defineGetter__', '__defineSetter__', '__lookupGetter__', '__lookupSetter__',
];

const connect = (session) => ['connect', session];
const disconnect = (session) => ['disconnect', session];
const send = (session, message) => ['send', session, message];
const handshake = (session, id = null) => send(session, { a: 'hs', id, protocol: 1, protocolMinor: 2 });
const join = (session, id) => [connect(session), handshake(session, id)];
const doc = (a, fields) => ({ a, c: 'c', d: 'd', ...fields });
const op = (session, seq, v, components, more) => send(session, doc('op', { v, seq, x: {}, op: components, ...more }));
const create = (session, seq, v, data, more) =>
  send(session, doc('op', { v, seq, x: {}, create: { type: JSON0, data }, ...more }));
const del = (session, seq, v, more) => send(session, doc('op', { v, seq, x: {}, del: true, ...more }));
const subscribe = (session, v = null) => send(session, doc('s', { v }));
const fetch = (session, v = null) => send(session, doc('f', { v }));
const insert = (key, value) => [{ p: [key], oi: value }];

/** Every pair of something applied and something submitted at the version before it. */
function transformMatrix() {
  const kinds = {
    op: { op: [{ p: ['n'], na: 1 }] },
    empty: { op: [] },
    create: { create: { type: JSON0, data: {} } },
    del: { del: true },
  };
  const conversations = {};
  for (const [applied, appliedFields] of Object.entries(kinds)) {
    for (const [submitted, submittedFields] of Object.entries(kinds)) {
      const exists = applied !== 'create';
      conversations[`${submitted} transformed past ${applied}`] = [
        ...join('a'), ...join('b'), subscribe('a'), subscribe('b'),
        ...(exists ? [create('a', 1, null, { n: 0 })] : [del('a', 1, null)]),
        send('a', doc('op', { v: 1, seq: 2, ...appliedFields })),
        send('b', doc('op', { v: 1, seq: 1, ...submittedFields })),
        fetch('b'),
      ];
    }
  }
  return conversations;
}

export const scripted = {
  'handshake': [...join('a'), handshake('a'), ...join('b', 'earlier'), send('b', { a: 'hs', id: 'other' })],
  'handshake with odd fields': [
    connect('a'), send('a', { a: 'hs' }), send('a', { a: 'hs', id: '', c: 'c', d: 'd', b: ['x'] }),
    send('a', { a: 'hs', id: 7, c: 'c' }), op('a', 1, null, []), send('a', { a: 'hs', protocol: {} }),
    send('a', { a: 'hs', protocol: '1', protocolMinor: [] }), send('a', { a: 'hs', protocol: '1.2' }),
    send('a', { a: 'hs', seq: 'x' }), send('a', { a: 'hs', c: 4 }), send('a', { a: 'hs', ch: 'toString' }),
  ],
  'messages before the handshake': [connect('a'), fetch('a'), create('a', 1, null, {}), handshake('a', 'late'), op('a', 2, 1, insert('x', 1))],
  'ping': [...join('a'), send('a', { a: 'pp' }), send('a', { a: 'pp', id: 'x', c: 'c' }), send('a', { a: 'pp', c: 'c', d: 'd', b: {} })],
  'unknown messages': [
    ...join('a'), send('a', { a: 'zz', any: [1, { x: null }] }), send('a', {}), send('a', { a: 1 }), send('a', [1, 2]),
    send('a', { a: 'init' }), send('a', { a: 'q', id: 1 }), send('a', { a: 'fixup' }), send('a', { a: 'zz', error: 'mine' }),
  ],
  'a number closes the session': [...join('a'), ...join('b'), subscribe('a'), send('a', 5), create('b', 1, null, {})],
  'a string closes the session': [...join('a'), send('a', 'hello'), ...join('b')],
  'null closes the session': [...join('a'), send('a', null)],
  'true closes the session': [...join('a'), send('a', true)],
  'dangerous names': [
    ...join('a'),
    ...DANGEROUS.flatMap((name) => [
      send('a', { a: 'f', c: name, d: 'd' }), send('a', { a: 's', c: 'c', d: name }), send('a', { a: 'pu', ch: name }),
      send('a', { a: 'bf', c: 'c', b: ['x', name] }),
    ]),
    send('a', { a: 'bs', c: 'c', b: JSON.parse('{"__proto__": 1}') }), send('a', { a: 'f', c: '__proto', d: 'prototype' }),
  ],
  'names of other types': [
    ...join('a'),
    ...[0, 1, true, false, [], {}, ['x']].flatMap((name) => [
      send('a', { a: 'f', c: name, d: 'd' }), send('a', { a: 'u', c: 'c', d: name }), send('a', { a: 'bu', c: 'c', b: [name] }),
    ]),
  ],
  'absent, null and empty names': [
    ...join('a'), ...join('b'), send('a', { a: 'f' }), send('a', { a: 's' }), send('b', { a: 's', c: null, d: null }),
    send('a', { a: 'op', seq: 1, create: { type: 'json0' } }), send('b', { a: 'op', c: null, d: null, seq: 1, create: { type: 'json0', data: 1 } }),
    send('a', { a: 's', c: 'undefined', d: 'undefined' }), send('b', { a: 'op', seq: 2, v: 1, op: [] }), send('b', { a: 'op', c: 'undefined', d: 'undefined', seq: 3, v: 2, op: [] }),
    send('a', { a: 's', c: '', d: '', v: 0 }), send('b', { a: 'op', c: '', d: '', seq: 4, create: { type: 'json0', data: 1 } }),
    send('a', { a: 'bs', b: ['x'] }), send('a', { a: 'bs', c: null, b: { x: 0 } }), send('b', { a: 'op', d: 'x', seq: 5, create: { type: 'json0', data: 1 } }),
    send('a', { a: 'u' }), send('a', { a: 'bu', b: ['x'] }),
  ],
  'invalid versions and numbers': [
    ...join('a'),
    ...[-1, '1', true, [], {}].flatMap((v) => [
      send('a', doc('f', { v })), send('a', doc('op', { v, seq: 1, op: [] })), send('a', { a: 'bf', c: 'c', b: { x: 1, y: v } }),
      send('a', doc('op', { v: 0, seq: Array.isArray(v) || typeof v !== 'number' ? v : 'x', op: [] })),
    ]),
    send('a', doc('f', { ts: 'x' })), send('a', doc('f', { ts: null })), send('a', doc('p', { id: 'p', pv: -1 })),
    send('a', doc('p', { id: 3 })), send('a', doc('p', {})), send('a', { a: 'ps', ch: 3 }), send('a', { a: 'pp', seq: '1' }), send('a', { a: 'pp', v: -1, ts: 'x', d: 1 }),
  ],
  'invalid bulk data': [
    ...join('a'),
    ...['bf', 'bs', 'bu'].flatMap((a) => [null, 0, 'x', true, [null], [['x']], { x: 'y' }, { 10: -1, constructor: 0 }].map((b) => send('a', { a, c: 'c', b }))),
    send('a', { a: 'bf', c: 3, b: [] }), send('a', { a: 'bf' }),
  ],
  'invalid query and snapshot requests': [
    ...join('a'), ...['qf', 'qs', 'qu'].flatMap((a) => [
      send('a', { a, c: 'c', q: {} }), send('a', { a, id: '1', c: 'c' }), send('a', { a, id: 1, c: 'c', r: {} }), send('a', { a, id: 1, c: 'c', r: ['x'] }),
      send('a', { a, id: 1, c: 'c', r: [['x', 1], [2, 1]] }), send('a', { a, id: 1, c: 'c', r: [['x', 1], ['y', -1]] }), send('a', { a, id: 1, c: 2, r: null }), send('a', { a, id: 1, c: 'c', r: [[]] }),
    ]),
    ...['nf', 'nt'].flatMap((a) => [
      send('a', { a, id: 1, d: 'd' }), send('a', { a, id: 1, c: 'c' }), send('a', { a, id: 1, c: 'c', d: 'd', v: -1 }),
      send('a', { a, id: 1, c: 'c', d: 'd', ts: '0' }), send('a', { a, id: 1, c: 'c', d: 5 }), send('a', { a, id: 1, c: 5, d: 'd' }),
    ]),
  ],
  'fetch': [
    ...join('a'), fetch('a'), fetch('a', 0), fetch('a', 9), create('a', 1, null, { x: 1 }), op('a', 2, 1, insert('y', [1, 'two', null])), fetch('a'), fetch('a', 0), fetch('a', 1),
    fetch('a', 2), fetch('a', 3), fetch('a', 0.5), fetch('a', 1.5), send('a', { a: 'f', c: 'c', d: 'd' }), send('a', { a: 'f', c: 'c', d: 'd', id: 'mine' }), send('a', { a: 'f', c: 'c', d: 'd', id: 0, b: 1 }),
    del('a', 3, 2), fetch('a'), fetch('a', 1), fetch('a', 2.9),
  ],
  'data of every kind': [
    ...join('a'), ...[null, 0, false, '', 'text', [], {}, [1, [2]], 1.5, -0.25, 1e21, 123456789012].flatMap((data, i) => [
      send('a', { a: 'op', c: 'c', d: `d${i}`, seq: i + 1, v: null, create: { type: 'json0', data } }), send('a', { a: 'f', c: 'c', d: `d${i}`, v: null }),
    ]),
    send('a', { a: 'op', c: 'c', d: 'none', seq: 50, create: { type: 'json0' } }), send('a', { a: 'f', c: 'c', d: 'none' }), send('a', { a: 'f', c: 'c', d: 'none', v: 0 }),
  ],
  'subscribe': [
    ...join('a'), ...join('b'), subscribe('a'), create('b', 1, null, {}), op('b', 2, 1, insert('x', 1)), subscribe('b', 0), op('a', 1, 2, insert('y', 2)), subscribe('b', 3), subscribe('b', 2),
    op('a', 2, 3, insert('z', 3)), send('b', doc('u')), op('a', 3, 4, insert('w', 4)), subscribe('b', 4), op('a', 4, 5, insert('v', 5)), subscribe('b', 99), op('a', 5, 6, []), del('a', 6, 7), create('a', 7, 8, []),
  ],
  'unsubscribe without a subscription': [...join('a'), send('a', doc('u')), send('a', doc('u', { id: 'x' })), send('a', { a: 'bu', c: 'c', b: ['d'] }), send('a', { a: 'bu', c: 'c', b: { d: 1 } })],
  'subscriptions end with the session': [
    ...join('a'), ...join('b'), subscribe('a'), subscribe('b'), disconnect('b'), create('a', 1, null, {}), ...join('b', 'client-2'), op('a', 2, 1, []), subscribe('b', 0), op('a', 3, 2, []),
  ],
  'bulk fetch': [
    ...join('a'), ...['x', '10', '9', 'y'].map((d, i) => send('a', { a: 'op', c: 'c', d, seq: i + 1, v: null, create: { type: 'json0', data: { d } } })),
    ...['x', '10', '9', 'y'].map((d, i) => send('a', { a: 'op', c: 'c', d, seq: i + 10, v: 1, op: insert('k', i) })),
    send('a', { a: 'bf', c: 'c', b: ['y', 'x', '10', 'x', 'missing'] }), send('a', { a: 'bf', c: 'c', b: { y: 0, x: 1, 10: 0, 9: null, missing: 3 } }), send('a', { a: 'bf', c: 'c', b: [] }), send('a', { a: 'bf', c: 'c', b: {} }),
    send('a', { a: 'bf', c: 'c', b: ['x'], id: 'bulk' }), send('a', { a: 'bf', c: 'c', d: 'd', b: { x: 7 } }), send('a', { a: 'bf', c: 'other', b: ['x'] }),
  ],
  'bulk subscribe': [
    ...join('a'), ...join('b'), send('a', { a: 'bs', c: 'c', b: ['x', 'y', 'x'] }), ...['x', 'y', 'z'].map((d, i) => send('b', { a: 'op', c: 'c', d, seq: i + 1, v: null, create: { type: 'json0', data: {} } })),
    send('a', { a: 'bs', c: 'c', b: { z: 0, x: 1 } }), ...['x', 'y', 'z'].map((d, i) => send('b', { a: 'op', c: 'c', d, seq: i + 10, v: 1, op: insert('k', i) })),
    send('a', { a: 'bu', c: 'c', b: { x: 2 } }), send('b', { a: 'op', c: 'c', d: 'x', seq: 20, v: 2, op: [] }), send('a', { a: 'bu', c: 'c', b: ['x', 'nothing'] }), send('b', { a: 'op', c: 'c', d: 'x', seq: 21, v: 3, op: [] }),
    send('b', { a: 'op', c: 'c', d: 'y', seq: 22, v: 2, op: [] }), send('a', { a: 'bs', c: 'c', b: [] }), send('a', { a: 'bs', c: 'c', b: {} }), send('a', { a: 'bu', c: 'c', b: [] }),
  ],
  'create': [
    ...join('a'), ...join('b'), subscribe('b'), create('a', 1, null, { x: 1 }), create('a', 1, null, { x: 1 }), create('a', 1, 0, { x: 1 }), create('b', 1, null, {}), create('b', 2, 0, {}), create('b', 3, 1, {}), create('b', 4, 2, {}),
    op('a', 2, 1, insert('y', 1)), create('a', 1, null, { x: 1 }), create('a', 1, 0, { x: 1 }), create('a', 3, 1, {}), create('b', 1, null, {}, { src: 'client-1' }), create('b', 2, null, {}, { src: 'client-1' }),
  ],
  'malformed creates': [
    ...join('a'), ...[5, 'x', true, [], [1], {}, { type: null }, { type: 3, data: 1 }, { type: 'unknown', data: { k: 1 } }, { type: 'constructor' }, { data: 1 }].flatMap((made, i) => [send('a', doc('op', { v: null, seq: i + 1, create: made }))]),
    send('a', doc('op', { seq: 20, create: null })), send('a', doc('op', { seq: 21, create: 0, del: true })), send('a', doc('op', { seq: 22, v: 1, create: { type: 'json0', data: { a: 1 }, more: 'kept' }, extra: 'x' })),
    send('a', doc('op', { seq: 23, create: { type: 'json0', data: 1, more: 'kept' }, del: true })), fetch('a', 0), fetch('a', 1), send('a', doc('op', { seq: 24, create: { type: 'json0', data: 2 } })),
  ],
  'delete': [
    ...join('a'), ...join('b'), subscribe('a'), subscribe('b'), del('a', 1, null), del('a', 2, 0), create('a', 3, null, {}), del('b', 1, 2), del('b', 1, 2), del('a', 4, 2), del('a', 5, 3), fetch('a'), create('b', 2, 5, [1]), create('b', 3, null, [2]),
    send('a', doc('op', { v: 1, seq: 9, del: 1 })), send('a', doc('op', { v: 1, seq: 9, del: 'yes' })), send('a', doc('op', { v: 1, seq: 9, del: false })), del('a', 10, 77),
  ],
  'a create sent again after the delete creates again': [...join('a'), create('a', 1, null, { x: 1 }), del('a', 2, 1), create('a', 1, null, { x: 1 }), create('a', 1, null, { x: 1 }), fetch('a', 0)],
  'op versions': [
    ...join('a'), ...join('b'), subscribe('b'), op('a', 1, 0, []), op('a', 2, null, insert('x', 1)), create('a', 3, null, { list: [1, 2, 3] }), op('a', 4, 1, [{ p: ['list', 0], li: 0 }]), op('a', 5, null, [{ p: ['list', 0], ld: 0 }]),
    op('b', 1, 1, [{ p: ['list', 2], ld: 3 }]), op('b', 2, 2, [{ p: ['list', 0], li: 'b' }]), op('b', 3, 0, []), op('b', 4, 0.5, []), op('b', 5, 9, []), op('b', 6, 5.5, []), send('b', doc('op', { seq: 7, op: insert('q', 1) })), fetch('a', 0),
  ],
  'an op without content': [...join('a'), send('a', doc('op', { v: 0, seq: 1, x: {} })), create('a', 2, null, {}), send('a', doc('op', { v: 1, seq: 3 })), send('a', doc('op', { v: 1, seq: 4, create: null, del: null })), send('a', doc('op', { v: 1, op: null, seq: 5 })), send('a', doc('op', { v: 1, op: null, create: { type: 'json0' }, seq: 5 }))],
  'src and seq': [
    ...join('a'), ...join('b'), subscribe('a'), subscribe('b'), create('a', 1, null, {}), op('a', 2, 1, [], { src: 5 }), op('a', 2, 1, [], { src: ['x'] }), op('a', 2, 1, [], { src: '' }), op('a', 3, 2, insert('x', 1), { src: 'somebody' }), op('a', 4, 2, insert('y', 1), { src: 'somebody' }),
    op('a', 1, 4, insert('z', 1), { src: 'client-2' }), op('a', null, 5, []), send('a', doc('op', { v: 5, op: [] })), op('a', 9007199254740991, 5, []), op('a', 9007199254740990, 5, []), op('a', 1.5, 6, []), op('a', 1.5, 6, []), op('a', -3, 7, []), op('a', 0, 8, []),
    send('a', doc('op', { v: 0, op: [], del: 3, src: 4 })), send('a', doc('op', { v: 0, del: 3, src: 4 })), send('a', doc('op', { v: 0, del: true, src: 4 })), send('a', doc('op', { v: 9, del: true, src: 'x' })), op('a', 10, 9, [], { id: 'an id' }), op('a', 9007199254740992, 5, [], { src: 3 }),
  ],
  'ops sent again': [
    ...join('a'), ...join('b'), subscribe('b'), create('a', 1, null, { n: 0 }), op('a', 2, 1, [{ p: ['n'], na: 1 }]), op('a', 2, 1, [{ p: ['n'], na: 1 }]), op('b', 1, 2, [{ p: ['n'], na: 5 }]), op('a', 2, 1, [{ p: ['n'], na: 1 }]), op('a', 3, 2, [{ p: ['n'], na: 2 }]),
    disconnect('a'), ...join('a', 'client-1'), op('a', 3, 2, [{ p: ['n'], na: 2 }], { src: 'client-1' }), op('a', 2, 2, [{ p: ['n'], na: 1 }]), disconnect('a'), ...join('a'), op('a', 3, 2, [{ p: ['n'], na: 2 }], { src: 'client-1' }), op('a', 3, 4, [{ p: ['n'], na: 2 }]),
    ['restart'], ...join('a', 'client-1'), op('a', 3, 2, [{ p: ['n'], na: 2 }]), op('a', 4, 2, [{ p: ['n'], na: 9 }]), create('a', 1, null, { n: 0 }), fetch('a'), del('a', 5, 6), del('a', 5, 6), op('a', 3, 2, [{ p: ['n'], na: 2 }]), op('a', 4, 1, [{ p: ['n'], na: 2 }]),
  ],
  'two sessions with one src': [...join('a', 'same'), ...join('b', 'same'), ...join('x'), subscribe('a'), subscribe('b'), subscribe('x'), create('a', 1, null, {}), op('b', 2, 1, insert('x', 1)), op('x', 1, 1, insert('y', 1)), op('b', 1, 1, insert('z', 1))],
  'a session that changes its src': [...join('a'), ...join('b'), subscribe('a'), create('a', 1, null, {}), handshake('a', 'new'), op('a', 2, 1, [], { src: 'client-1' }), op('a', 2, 2, []), op('b', 1, 3, [], { src: 'new' }), op('b', 2, 4, [], { src: 'client-1' })],
  'reject': [
    ...join('a'), ...join('b'), subscribe('b'), ['reject', 'ERR_OP_SUBMIT_REJECTED', 'Op submit rejected'], create('a', 1, null, { x: 1 }), create('a', 2, null, { x: 1 }), ['reject', 'ERR_MINE', 'no'], ['reject', 'ERR_OTHER', 'no more'], op('a', 3, 1, insert('y', 1)),
    op('a', 4, 1, insert('y', 2)), op('a', 4, 1, insert('y', 2)), ['reject', 'ERR_MINE', 'later'], op('a', 4, 1, insert('y', 2)), op('a', 5, 9, []), op('b', 1, 1, insert('z', 1)), del('b', 2, 2),
  ],
  'fixup': [
    ...join('a'), ...join('b'), subscribe('a'), subscribe('b'), ['fixup', [{ p: ['by'], oi: 'server' }]], create('a', 1, null, { x: 1 }), create('a', 1, null, { x: 1 }), create('a', 1, 0, { x: 1 }),
    ['fixup', [{ p: ['stamp'], oi: 1 }]], ['fixup', [{ p: ['stamp'], od: 1, oi: 2 }]], op('a', 2, 1, insert('y', 1)), op('a', 2, 1, insert('y', 1)), ['fixup', [{ p: ['late'], oi: 1 }]], op('b', 1, 1, insert('z', 1)), op('b', 1, 1, insert('z', 1)), op('b', 1, 3, insert('z', 1)),
    ['fixup', [{ p: ['w'], oi: 1 }]], del('a', 3, 3), op('a', 4, 3, [{ p: ['w', 'deep'], na: 1 }]), ['fixup', [{ p: ['toString'], oi: 1 }]], op('a', 5, 3, []), ['fixup', [{ p: ['a', 'b'], oi: 1 }]], create('a', 6, 3, {}), fetch('b', 0), del('a', 7, 3), ['fixup', []], op('a', 8, 4, []), ['fixup', insert('x', 1)], create('b', 2, 4, {}), fetch('b'),
  ],
  'fixups that fail': [
    ...join('a'), ['fixup', [{ p: ['n'], na: 1 }]], create('a', 1, null, {}), ['fixup', [{ p: ['a', 'b'], oi: 1 }]], create('a', 2, null, {}), ['fixup', insert('x', 1)], op('a', 3, null, []), ['fixup', insert('x', 1)], send('a', doc('op', { seq: 4, create: { type: 'json0' } })),
    ['fixup', [{ p: [], oi: 'whole' }]], send('a', doc('op', { seq: 5, create: { type: 'json0' } })), ['fixup', [{ p: [], od: 'whole', oi: { n: 1 } }]], op('a', 6, 1, []), ['fixup', [{ p: ['none', 'deep'], na: 1 }]], op('a', 7, 2, insert('m', 1)), fetch('a'), ['fixup', insert('q', 1)], del('a', 8, 2),
  ],
  'text that splits a character': [
    ...join('a'), ...join('b'), subscribe('b'), create('a', 1, null, { text: 'a\u{1F600}b', '\u{1F600}': 1 }), op('a', 2, 1, [{ p: ['text', 2], si: 'x' }]), op('b', 1, 1, [{ p: ['text', 2], sd: '\uDE00' }]), fetch('a'), op('a', 3, 2, insert('\uD83D', '\uDE00')), fetch('b', 0), send('a', { a: 'f', c: 'c\uD83D', d: '\uDE00' }),
  ],
  'data removed at the root': [...join('a'), create('a', 1, null, { x: 1 }), op('a', 2, 1, [{ p: [], od: { x: 1 } }]), fetch('a'), op('a', 3, 2, insert('x', 1)), op('a', 4, 2, [{ p: ['x', 'y'], na: 1 }]), create('a', 5, 2, {}), op('a', 6, 2, [{ p: [], oi: [] }]), fetch('a')],
  'reject before fixup': [...join('a'), create('a', 1, null, {}), ['fixup', insert('k', 1)], ['reject', 'ERR_MINE', 'no'], op('a', 2, 1, insert('x', 1)), op('a', 3, 1, insert('x', 1)), fetch('a')],
  'suppressed publishing': [...join('a'), ...join('b'), subscribe('b'), ['suppress', true], create('a', 1, null, {}), op('a', 2, 1, []), ['suppress', false], op('a', 3, 2, []), subscribe('b', 0), ['suppress', true], ['restart'], ...join('a'), ...join('b'), subscribe('b'), op('a', 1, 3, [])],
  'no-ops not committed': [
    ...join('a'), ...join('b'), ['skip-no-ops', true], create('a', 1, null, { list: [1] }), op('a', 2, 1, []), op('a', 3, 2, [{ p: ['list', 0], ld: 1 }]), op('b', 1, 2, [{ p: ['list', 0], ld: 1 }]), op('b', 2, 1, []), op('b', 3, 3, []), op('b', 4, 3, insert('x', 1)),
    ...[[1, 1], ['1', '2'], ['1', 1], [2, 0], [null, null], ['x', 'y'], [1, '9'], ['2', 'x'], [1, '']].flatMap(([protocol, protocolMinor], i) => [send('b', { a: 'hs', protocol, protocolMinor }), op('b', 10 + i, 1, [])]), connect('x'), op('x', 1, 1, []), ['skip-no-ops', false], op('a', 4, 1, []),
  ],
  'colliding channels': [
    ...join('a'), ...join('b'), send('a', { a: 's', c: 'x.y', d: 'z' }), send('a', { a: 's', c: 'x', d: 'y.z' }), send('b', { a: 'op', c: 'x', d: 'y.z', seq: 1, create: { type: 'json0', data: 1 } }), send('b', { a: 'op', c: 'x.y', d: 'z', seq: 2, create: { type: 'json0', data: 2 } }), send('a', { a: 'u', c: 'x', d: 'y.z' }), send('b', { a: 'op', c: 'x', d: 'y.z', seq: 3, op: [] }), send('b', { a: 'op', c: 'x.y', d: 'z', seq: 4, op: [] }),
  ],
  'ops that cannot be applied': [
    ...join('a'), create('a', 1, null, { list: [1], text: 'abc', n: 1, none: null, object: {} }),
    ...[
      [{ p: ['n'], li: 1 }], [{ p: ['n', 0], li: 1 }], [{ p: ['n', 'x'], oi: 1 }], [{ p: ['text'], na: 1 }], [{ p: ['missing', 'deep'], oi: 1 }], [{ p: ['none', 'x'], oi: 1 }], [{ p: ['list', 'x'], oi: 1 }], [{ p: ['n'] }], [{ p: [] }],
      {}, { length: 0 }, 'text', 5, null, [null], [5], [{}], [{ p: 'x' }], [{ p: {} }], [{ p: ['x'], oi: 1 }, { oi: 1 }],
      ...DANGEROUS.map((segment) => [{ p: ['object', segment], oi: 1 }]), [{ p: ['constructor', 'prototype'], oi: 1 }], [{ p: ['list', 0], li: 2 }, { p: ['x', 'toString'], oi: 1 }],
      [{ p: ['missing', 'a', 'b'], oi: 1 }], [{ p: ['none', 'a', 'b'], oi: 1 }],
    ].map((components, i) => op('a', i + 2, 1, components)), fetch('a', 1),
  ],
  'malformed ops on an absent document': [...join('a'), ...[{}, 'x', null, [{}], [null]].map((components, i) => op('a', i + 1, 0, components)), create('a', 9, null, {}), op('a', 10, 0, [{}]), op('a', 11, 0, [{ p: ['toString'], oi: 1 }])],
  'every component': [
    ...join('a'), ...join('b'), subscribe('b'), create('a', 1, null, { list: [1, 2, 3], text: 'abc', n: 1 }),
    ...[
      [{ p: ['n'], na: 2.5 }], [{ p: ['list', 1], li: 'x' }], [{ p: ['list', 0], ld: 1 }], [{ p: ['list', 0], ld: 'x', li: 'y' }], [{ p: ['list', 0], lm: 2 }], [{ p: ['text', 1], si: 'XY' }], [{ p: ['text', 0], sd: 'a' }],
      [{ p: ['text'], t: 'text0', o: [{ p: 1, i: 'Q' }, { p: 0, d: 'X' }] }], [{ p: ['k'], oi: { deep: [] } }], [{ p: ['k'], od: { deep: [] }, oi: null }], [{ p: ['k'], od: null }], [{ p: [], od: {}, oi: { list: [], text: '', n: 0 } }], [{ p: ['list', 0], li: 1, more: 'kept' }],
    ].map((components, i) => op('a', i + 2, i + 1, components)), fetch('a'),
    ...[[{ p: ['n'], na: 1 }], [{ p: ['list', 0], li: 'b' }], [{ p: ['text', 0], si: 'b' }], [{ p: ['text'], t: 'text0', o: [{ p: 0, i: 'b' }] }], [{ p: ['k'], oi: 'b' }], [{ p: ['n'], na: 1 }, { p: ['q'], oi: 'b' }]].map((components, i) => op('b', i + 1, 13, components)), fetch('b'),
  ],
  ...transformMatrix(),
};
