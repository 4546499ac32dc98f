/**
 * The kinds of events and outputs. `kinds.rs` has the same lists, and tests there compare names and numbers.
 */

/** What a tab's machine asks for. */
export const Kind = Object.freeze({
  ToHost: 0,
  State: 1,
  ConnectionError: 2,
  Error: 3,
  Pong: 4,
  Status: 5,
  Warn: 6,
  Apply: 7,
  BatchStart: 8,
  BeforeComponent: 9,
  ApplyComponent: 10,
  BatchEnd: 11,
  Create: 12,
  Del: 13,
  Load: 14,
  Clear: 15,
  Callback: 16,
  NoWritePending: 17,
  NothingPending: 18,
  DocError: 19,
  FlushLater: 20,
  UnsubscribedLater: 21,
  OpenDoc: 22,
  QueryResults: 23,
  QueryFailed: 24,
  QueryError: 25,
  QueryDiff: 26,
  QueryExtra: 27,
  Snapshot: 28,
  PresenceAnswer: 29,
  PresenceValue: 30,
  PresenceReceive: 31,
  PresenceError: 32,
  PresenceLater: 33,
  Stored: 34,
  Storage: 35,
  Sent: 36,
  SubmitOp: 37,
});

/** What a host's machine asks for. */
export const HostKind = Object.freeze({
  ToTab: 0,
  Send: 1,
  CloseSocket: 2,
  OpenSocket: 3,
  StartTimer: 4,
  Storage: 5,
  FindTabs: 6,
  BeginAnew: 7,
  Warn: 8,
});
