/**
 * The events of a tab's machine and the outputs of a host's. Each crosses from WebAssembly as a call of a sink: the
 * number of its kind, then the arguments of the method that carries it out. `kinds.rs` has the same lists; a test there
 * compares the methods' names, their order and the names of their arguments.
 */

/**
 * The parts of an error, see `toError`.
 *
 * @typedef {[code: any, message: string, data: string | undefined, fromServer: boolean,
 *   exception: [any] | undefined]} ErrorParts
 *
 * @typedef {import('../index.d.cts').ConnectionState} State
 * @typedef {number | false} Source the token of the call that submitted the op; `false` where it is not this tab's
 * @typedef {[collection: string, id: string][]} DocNames
 *
 * @typedef {['insert', index: number, docs: DocNames] | ['remove', index: number, howMany: number]
 *   | ['move', from: number, to: number, howMany: number]} DiffItem
 */

/**
 * Events of a tab's machine. `doc` is the machine's number of a document, `token` that of a call; ops, snapshots and
 * other contents are JSON. `tab-events.js` carries them out.
 *
 * @typedef {object} TabEvents
 * @property {(text: string) => void} toHost a message to post
 * @property {(text: string | undefined, seq: number, tokens: number[]) => void} submitOp the same, with an op of these calls;
 *   without a text the op was part of the message before
 * @property {(state: State, reason?: string) => void} state the connection's
 * @property {(error: string) => void} connectionError
 * @property {(error: ErrorParts) => void} error of the connection
 * @property {() => void} pong
 * @property {(round: number) => void} urlWanted the host wants a URL for its next socket, by `answerUrl`
 * @property {(say?: string) => void} coordination what tabs agree on; nothing where a host has just taken this tab
 * @property {(token: number, status: string) => void} status of the host
 * @property {(token: number, answer: string) => void} debug of the host's driver
 * @property {(message: string) => void} warn
 * @property {(token: number, error?: ErrorParts, snapshot?: string) => void} snapshot
 * @property {(token: number, error?: ErrorParts) => void} stored a call of the durable store ended
 * @property {(event: string) => void} storage
 * @property {(doc: number, collection: string, id: string) => void} openDoc a query or the store brings it
 * @property {(doc: number, op: string, source: Source, src?: string) => void} apply
 * @property {(doc: number, op: string, src?: string) => void} batchStart the op's components follow, one by one
 * @property {(doc: number, index: number) => void} beforeComponent
 * @property {(doc: number, index: number, op?: string) => void} applyComponent or `op` in its place
 * @property {(doc: number) => void} batchEnd
 * @property {(doc: number, type: string, data: string | undefined, source: Source) => void} create
 * @property {(doc: number, source: Source) => void} del
 * @property {(doc: number, type?: string, data?: string) => void} load
 * @property {(doc: number) => void} clear
 * @property {(doc: number, seq: number) => void} sent the oldest op went to the server
 * @property {(doc: number, tokens: number[], outcome: ErrorParts | null | undefined) => void} callback calls ended
 * @property {(doc: number) => void} noWritePending
 * @property {(doc: number) => void} nothingPending
 * @property {(doc: number, error: ErrorParts) => void} docError
 * @property {(doc: number) => void} flushLater
 * @property {(doc: number) => void} unsubscribedLater
 * @property {(query: number, docs?: DocNames, extra?: string) => void} queryResults
 * @property {(query: number, error: ErrorParts) => void} queryFailed
 * @property {(query: number, error: ErrorParts) => void} queryError
 * @property {(query: number, diff: DiffItem[]) => void} queryDiff
 * @property {(query: number, extra?: string) => void} queryExtra
 * @property {(channel: string, id: string | undefined, tokens: number[], error?: ErrorParts) => void} presenceAnswer
 * @property {(channel: string, id: string, value: string) => void} presenceValue of this tab
 * @property {(channel: string, id: string, value: string) => void} presenceReceive of another one
 * @property {(channel: string, id: string | undefined, error: ErrorParts) => void} presenceError
 * @property {(channel: string, id: string) => void} presenceLater
 */

/**
 * Outputs of a host's machine.
 *
 * @typedef {object} HostOutputs
 * @property {(tab: string | undefined, text: string, urgent: boolean) => void} toTab an urgent message overtakes
 *   others; the one tab of a private host is not named
 * @property {(text: string) => void} send a message for the server
 * @property {() => void} closeSocket
 * @property {() => void} dropSocket the socket is dead: close it, and report nothing more of it
 * @property {(url?: string) => void} openSocket to this URL that a tab gave, or to the driver's own
 * @property {(delay: number) => void} startTimer `handleTimer` in so many milliseconds; replaces the last timer
 * @property {(delay: number) => void} startAlarm `handleAlarm` in so many milliseconds; replaces the last alarm
 * @property {(act: string) => void} realtime something to do to the second connection, as JSON
 * @property {(number: number, request: string, records?: any[], deletes?: any[]) => void} askStorage
 *   `open`, `wipe`, `read` with `[store, id]` of each record, or `write` with `[store, id, text]` of each and
 *   `[store, id]` of those to delete; the answer names the number
 * @property {(tabs: string[]) => void} findTabs `tabsFound` is to be told which of these tabs live
 * @property {() => void} beginAnew another host can go on with a storage that this one had to do without
 * @property {() => void} resigned the last output of a host that resigned: its place and its storage are another one's
 * @property {() => void} deposed the last output of a host whose storage another one has taken
 * @property {(tab: string | undefined, request: string, before: string, after: string) => void} debug the tab is to be
 *   posted `before`, the answer to the request, and `after`
 * @property {(message: string) => void} warn
 */

/** By the number of the kind. @type {readonly (keyof HostOutputs)[]} */
export const HOST_OUTPUTS = [
  'toTab',
  'send',
  'closeSocket',
  'dropSocket',
  'openSocket',
  'startTimer',
  'startAlarm',
  'realtime',
  'askStorage',
  'findTabs',
  'beginAnew',
  'resigned',
  'deposed',
  'debug',
  'warn',
];
