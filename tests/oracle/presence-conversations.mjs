// Hand-written conversations about presence on plain channels. See scripted-conversations.mjs.

const connect = (session) => ['connect', session];
const disconnect = (session) => ['disconnect', session];
const send = (session, message) => ['send', session, message];
const join = (session, id = null) => [
  connect(session),
  send(session, { a: 'hs', id, protocol: 1, protocolMinor: 2 }),
];
const subscribe = (session, seq, ch = 'room') => send(session, { a: 'ps', ch, seq });
const unsubscribe = (session, seq, ch = 'room') => send(session, { a: 'pu', ch, seq });
const show = (session, id, p, pv, ch = 'room') => send(session, { a: 'p', ch, id, p, pv });
const request = (session, ch = 'room') => send(session, { a: 'pr', ch });

export const presence = {
  'presence of two sessions': [
    ...join('a'),
    ...join('b'),
    subscribe('a', 1),
    show('a', 'x', { at: 1 }, 0),
    subscribe('b', 1),
    show('b', 'y', 7, 0),
    show('a', 'x', { at: 2 }, 1),
    show('a', 'x', { at: 0 }, 0),
    request('a'),
    request('b'),
    show('a', 'x', null, 2),
    show('b', 'z', 'more', 1),
    unsubscribe('b', 2),
    show('a', 'x', 3, 3),
    show('b', 'y', 8, 2),
    subscribe('b', 3),
    subscribe('b', 4),
  ],
  'presence of a session that goes': [
    ...join('a'),
    ...join('b'),
    ...join('c'),
    subscribe('a', 1),
    subscribe('b', 1),
    subscribe('b', 2, 'hall'),
    show('b', 'x', 1, 0),
    show('b', 'y', 2, 1),
    show('b', 'x', 3, 2, 'hall'),
    show('c', 'z', 4, 0),
    disconnect('b'),
    disconnect('c'),
    subscribe('a', 2, 'hall'),
    request('a'),
  ],
  'presence under ids of their own': [
    ...join('a', 'one'),
    ...join('b', 'two'),
    ...join('c', 'one'),
    subscribe('a', 1),
    subscribe('b', 1),
    subscribe('c', 1),
    show('a', 'x', 1, 0),
    show('b', 'y', 2, 0),
    show('c', 'x', 3, 1),
    unsubscribe('a', 2),
    disconnect('c'),
  ],
  'presence that cannot be read': [
    ...join('a'),
    subscribe('a', 1),
    send('a', { a: 'p', ch: 'room', p: 1, pv: 0 }),
    send('a', { a: 'p', ch: 'room', id: 'x', p: 1, pv: -1 }),
    send('a', { a: 'ps', ch: '__proto__', seq: 2 }),
    send('a', { a: 'ps', ch: 'room', seq: 'one' }),
    send('a', { a: 'pu', ch: 'hall', seq: 2 }),
    request('a', 'hall'),
  ],
};
