/** The types of `sharedb-proxy/coordinator`. */
import type {
  Connection,
  ConnectionHost,
  Connections,
  DurableStoreOptions,
  Signal,
  TypedEmitter,
} from './index.cjs';

/** What a message is about. */
export enum WorkerMessageType {
  CONNECT = 'connect',
  DISCONNECT = 'disconnect',
  STATE_UPDATE = 'state_update',
  SIGNALR_MESSAGE = 'signalr_message',
  SESSION_REFRESH = 'session_refresh',
  ERROR = 'error',
}

/** What tabs send each other. */
export interface SharedWorkerMessage {
  type: WorkerMessageType;
  payload: any;
  /** The tab that sent it. */
  tabId: string;
  /** Milliseconds since 1970, by the sender's clock. */
  timestamp: number;
  /** Names the request in errors and logs of all tabs. */
  correlationId?: string;
}

/** The worker's state. */
export interface WorkerState {
  /** The tab that had the focus last, else the leader. */
  activeTabId: string | null;
  connectedTabs: Set<string>;
  /** The second connection; `null` where the host has none. */
  signalRConnection: RealtimeStatus | null;
  /** The time of the last `state_update`; 0 before the first one. */
  lastStateUpdate: number;
  sessionData: any;
}

/** How far the second connection is. */
export interface RealtimeStatus {
  state: 'connecting' | 'connected' | 'disconnected';
  /** Why it is not connected, or the last failure. */
  lastError: (Error & { code?: string }) | null;
}

/** A tab. */
export interface TabInfo {
  id: string;
  /** What the host makes of it: the tab with the highest score leads. */
  score: number;
  visible: boolean;
  focused: boolean;
  /** It never leads. */
  observer: boolean;
  offline: boolean;
  /** Its page is frozen, or kept for the user's return. */
  frozen: boolean;
}

export interface TabCoordinatorOptions {
  /** Its tabs, its host and its store. */
  connection?: Connection;
  /** Without a connection: which tabs belong together. Name the user in it. No socket is opened. */
  namespace?: string;
  /** Without a connection: what was agreed on survives the last tab. */
  durableStore?: boolean | DurableStoreOptions;
  /** As of `createConnection`. */
  useSharedWorker?: boolean;
  worker?: (name: string) => any;
  dedicatedWorker?: false | ((name: string) => any);
  workerUrl?: import('./index.cjs').ConnectionOptions['workerUrl'];
  /** An `observer` never leads. */
  role?: 'auto' | 'observer';
  /** 0 to 100, added to the tab's score. A tab that is visible has 40 more than one that is not. */
  weight?: number;
  /** Milliseconds after which another tab leads whose score is about as high. */
  rotation?: number;
  /** Without a connection: a second connection for a host in this page, as `createConnection` takes it. */
  connections?: Connections;
  /**
   * How this tab gets a new token: what `refresh()` runs, and what the host has run before it opens the second connection.
   */
  refresh?: (refresh: { signal: Signal }) => any;
  /** Of the state that tabs share. */
  state?: StateOptions;
  /** What the user's devices agree on, in a document of the connection's server. */
  devices?: DevicesOptions;
}

export interface DevicesOptions {
  /** The document in which the user's devices meet: one for each user, and nobody else's. It is made when it is not there. */
  collection: string;
  id: string;
  /** This device's id, where the application has one that lasts. Else one is made, and kept in `localStorage`. */
  device?: string;
  /** What the user calls this device. */
  name?: string;
  /** What the application calls its kind. */
  kind?: string;
  /** Milliseconds without a sign after which others take this device for gone: 60000, and 3000 at least. */
  ttl?: number;
  /** What this device can do beside what the browser says. */
  capabilities?: string[];
}

/** A device that is there. */
export interface DeviceInfo {
  id: string;
  name: string;
  kind: string;
  /** It is this one. */
  isSelf: boolean;
  /** How many tabs of it there are. */
  tabs: number;
  /** When it came, in milliseconds since 1970: by the server's clock where the server stamps presence, else by this device's. */
  since: number;
  /** When it was heard of last, by the same clock. */
  seen: number;
  capabilities: {
    visible: boolean;
    focused: boolean;
    online: boolean;
    push: boolean;
    /** Percent; `null` where there is no battery, or it is being charged. */
    battery: number | null;
    /** Its width in CSS pixels. */
    screen: number;
    /** What the application added. */
    more: string[];
  };
}

export type Priority = 'security' | 'high' | 'normal' | 'low';

/** A message as the device gets it. */
export interface DeviceMessage {
  id: string;
  /** The device that sent it. */
  from: string;
  priority: Priority;
  payload: any;
}

export interface Notification {
  id: string;
  /** The device that made it. */
  from: string;
  priority: Priority;
  payload: any;
  /** The device on which it was read. */
  readOn: string | null;
  /** It was made before this tab looked. */
  missed: boolean;
}

export interface SendOptions {
  /** All other devices that are known (default), one, or the best of those that are there and have all of this. */
  to?: 'all' | string | { best: string[] };
  priority?: Priority;
  /** Milliseconds after which the sender is told who has not taken it; 60000. */
  timeout?: number;
}

export interface LeaseOptions {
  /** Milliseconds for which others wait for the holder: 30000, and 1000 at least. */
  ttl?: number;
  /** Milliseconds after which the request ends with `ERR_LEASE_TIMEOUT`. Without it the request waits. */
  timeout?: number;
  /** Gives the request up. */
  signal?: Signal;
}

/** What one tab of one device holds. */
export interface Lease {
  readonly name: string;
  /** Higher than every token of this lease before. */
  readonly token: number;
  /** Aborted when the lease is lost. */
  readonly signal: Signal;
  /** Whether this tab holds it at this moment. */
  isHeld(): boolean;
  /** Gives it back. */
  resign(): void;
}

export interface DevicesEventMap {
  join(device: DeviceInfo): void;
  leave(device: DeviceInfo): void;
  change(device: DeviceInfo): void;
  /** Messages for this device were dropped before it had them. */
  gap(): void;
  notification(notification: Notification): void;
  /** A notification was read, on whichever device. */
  read(notification: Notification): void;
}

/** The user's devices: which there are, and what they tell each other. */
export interface Devices extends TypedEmitter<DevicesEventMap> {
  /** This device's id; nothing before the coordinator has registered. */
  readonly id: string | undefined;
  /** Those that are there, this one first. */
  readonly list: DeviceInfo[];
  /** All that are known. */
  readonly known: { id: string; name: string; kind: string }[];
  /** The most important ones first, the latest first among those. */
  readonly notifications: Notification[];
  /** Changes what this device says of itself. */
  configure(changes: { name?: string; kind?: string; capabilities?: string[] }): void;
  /** Resolves with the ids of the devices when their applications have taken it. */
  send(payload: any, options?: SendOptions): Promise<string[]>;
  /**
   * Takes messages, in the leading tab: one function; a later call replaces it. The sender hears of it when the result has
   * resolved. Gives a function that ends it.
   */
  receive(fn: (message: DeviceMessage) => any): () => void;
  /** Makes a notification for all devices. Resolves with its id when the server has it. */
  notify(payload: any, options?: { priority?: Priority }): Promise<string>;
  /** The user has read it: it is read on all devices. */
  markRead(id: string): void;
}

export interface StateOptions {
  /** `leader` (default): the leader writes. `distributed`: every tab does, and the later bundle wins. */
  mode?: 'leader' | 'distributed';
  /** The application's version of config and snapshot; 1 if nothing is said. */
  schema?: number;
  /** By schema: what makes config and snapshot of it from those of the schema before. */
  migrations?: Record<
    number,
    (content: { config: any; snapshot: any }) => { config: any; snapshot: any }
  >;
}

/** The state that tabs share. */
export interface StateBundle {
  /** One more than that of the bundle which its writer had. */
  version: number;
  /** Milliseconds since 1970, by the clock of the tab that wrote it. */
  updatedAt: number;
  /** The tab that wrote it. */
  sourceId: string;
  /** The application's version of config and snapshot, after this tab's migrations. */
  schema: number;
  metadata: { version: number; updatedAt: number; sourceId: string; schema: number };
  config: any;
  snapshot: any;
}

export interface LockOptions {
  /** Milliseconds after which the request ends with `ERR_LOCK_TIMEOUT`. Without it the request waits. */
  timeout?: number;
  /** Milliseconds after which the lock is free whatever its holder does. */
  expires?: number;
  /** How often a request that timed out is made again, after a pause that grows. */
  retry?: number;
  /** Gives the request up. */
  signal?: Signal;
}

/** What a tab holds while `fn` runs. */
export interface Held {
  /** Higher than every token before: what is changed under the lock can refuse a lower one. */
  readonly token: number;
  /** Aborted when the lock is lost: it expired, or the page was frozen. */
  readonly signal: Signal;
  /** Whether this tab holds it at this moment. */
  isHeld(): boolean;
  /**
   * A lock within this one. Where two tabs would wait for each other for ever, the request that closes the circle ends with
   * `ERR_DEADLOCK`.
   */
  lock<T>(name: string, fn: (held: Held) => T | Promise<T>): Promise<T>;
  lock<T>(name: string, options: LockOptions, fn: (held: Held) => T | Promise<T>): Promise<T>;
}

/** How full the browser's storage is, and whether something is gone. */
export interface StorageEvent {
  /** Bytes that the origin has stored, as the browser says; 0 where it does not say. */
  usage: number;
  /** Bytes that the origin may store. */
  quota: number;
  /** `usage` as a part of `quota`, from 0 to 1. */
  ratio: number;
  /** More thresholds are passed than before; `false` where they are fewer, or as many. */
  isFuller: boolean;
  /** The durable store that was there is gone, or was emptied, and no tab has done that. */
  evicted: boolean;
}

/** How far the idle timer is. */
export interface IdleEvent {
  phase: 'active' | 'warned' | 'expired';
  /** Milliseconds until the time is over. */
  left: number;
  /** When it is over, in milliseconds since 1970. */
  endsAt: number;
}

export interface TabCoordinatorEventMap {
  /** Another tab came. */
  join(tab: TabInfo): void;
  /** Another tab left, or is gone without a word. */
  leave(tab: { id: string; crashed: boolean }): void;
  visible(tab: TabInfo): void;
  hidden(tab: TabInfo): void;
  focused(tab: TabInfo): void;
  /** A page is frozen, or kept for the user's return. */
  frozen(tab: TabInfo): void;
  resumed(tab: TabInfo): void;
  /** Something else of what a tab says of itself changed. */
  report(tab: TabInfo): void;
  leader(leading: { leader: string | null; isLeader: boolean; term: number }): void;
  /** Another tab would lead next. */
  backup(backup: { backup: string | null; isBackup: boolean }): void;
  /** The second connection is in another state, or has failed again. */
  signalr(state: RealtimeStatus): void;
  message(message: SharedWorkerMessage): void;
  connect(message: SharedWorkerMessage): void;
  disconnect(message: SharedWorkerMessage): void;
  state_update(message: SharedWorkerMessage): void;
  signalr_message(message: SharedWorkerMessage): void;
  session_refresh(message: SharedWorkerMessage): void;
  /** All messages that were missed, the urgent ones first: before each of them comes as a message. */
  'catch up'(messages: SharedWorkerMessage[]): void;
  /** Messages were missed that nobody has any more: of tabs, or of the second connection. */
  gap(missed: { messages: boolean; signalR: boolean }): void;
  /** The shared state; nothing where the session changed. */
  state(bundle: StateBundle | undefined): void;
  'state-sync'(bundle: StateBundle): void;
  'config-sync'(bundle: StateBundle): void;
  session(session: { epoch: number; id: string | undefined }): void;
  /** These tabs name another session. */
  'session mismatch'(mismatch: {
    session: { epoch: number; id: string | undefined };
    tabs: string[];
  }): void;
  /** The session ends: what `waitUntil` is given is waited for, 2 seconds at most. */
  logout(end: { waitUntil(wait: Promise<any>): void }): void;
  'logged out'(): void;
  idle(idle: IdleEvent): void;
  'idle-active'(idle: IdleEvent): void;
  'idle-warning'(idle: IdleEvent): void;
  'idle-timeout'(idle: IdleEvent): void;
  /** The machine slept for so many milliseconds. */
  sleep(sleep: { slept: number }): void;
  wake(sleep: { slept: number }): void;
  /** A threshold of the quota was passed, or the store was evicted. */
  storage(storage: StorageEvent): void;
  /** All pages are to be loaded anew: the leader has decided it. */
  reload(reload: { payload: any; tabId: string }): void;
  error(error: Error & { code?: string }): void;
}

/** What tabs agree on: which tabs there are, who leads, who holds a lock, and what they tell each other. */
export interface TabCoordinator extends TypedEmitter<TabCoordinatorEventMap> {}
export class TabCoordinator {
  constructor(options: TabCoordinatorOptions);
  /** This tab's id. Another page load is another tab, and so is a duplicate of this one. */
  readonly tabId: string;
  /** Where the host is, and why there: `connection.host`. */
  readonly host: ConnectionHost;
  /** What cannot be promised here, in words that can be shown; empty where everything can. */
  readonly limits: string[];
  /**
   * Joins the tabs. Resolves when the host has told this tab what there is. Rejects where no host takes this tab, with
   * `ERR_WASM_UNAVAILABLE` or `ERR_HOST_INCOMPATIBLE`, and with `ERR_COORDINATOR_CLOSED` where it left meanwhile.
   */
  register(): Promise<void>;
  /**
   * Tells all other tabs something. Resolves when the host has it: it then reaches every tab, also one that is away now.
   * `ERR_MESSAGE_TYPE_UNKNOWN`, `ERR_PAYLOAD_INVALID`.
   */
  sendMessage(type: WorkerMessageType, payload: any): Promise<void>;
  /** Takes a message as if another tab had sent it. `ERR_MESSAGE_TYPE_UNKNOWN`. */
  handleMessage(message: SharedWorkerMessage): Promise<void>;
  /**
   * Leaves the tabs: what this one holds is free, and another one leads. What is asked or waits then ends with
   * `ERR_COORDINATOR_CLOSED`.
   */
  unregister(): Promise<void>;

  /** The worker's state, as this tab was told it last. */
  readonly state: WorkerState;
  /** The ids of the tabs that are there: a frozen one is not. */
  readonly connectedTabs: Set<string>;
  /** All tabs, the frozen ones too, with what they say of themselves. */
  readonly tabs: TabInfo[];
  /** Changes this tab's weight or role. Throws `ERR_OPTION_INVALID`. */
  configure(changes: { weight?: number; role?: 'auto' | 'observer' }): void;

  /** The id of the tab that leads, as far as this one knows. */
  readonly leader: string | undefined;
  /** Whether this tab leads, now. No other tab does then. */
  readonly isLeader: boolean;
  /** `backup`: it leads next. `observer`: it never leads. */
  readonly role: 'leader' | 'backup' | 'follower' | 'observer';
  /** Stops leading, and is passed over for ten seconds, so that another tab leads if there is one. */
  resign(): void;

  /**
   * Runs `fn` while this tab holds the lock, and gives its result. Ends with `ERR_LOCK_TIMEOUT`, `ERR_LOCK_LOST`, or
   * `ERR_DEADLOCK` within another lock.
   */
  lock<T>(name: string, fn: (held: Held) => T | Promise<T>): Promise<T>;
  lock<T>(name: string, options: LockOptions, fn: (held: Held) => T | Promise<T>): Promise<T>;
  /** Runs `fn` if no other tab is at this key; ends with `ERR_GUARDED` and its `tabId` where one is. */
  guard<T>(key: string, fn: (held: Held) => T | Promise<T>): Promise<T>;
  /** The tab that holds a lock, if one does. */
  whoHolds(name: string): Promise<string | undefined>;
  /** The tab that is at a key of `guard`, if one is. */
  whoGuards(key: string): Promise<string | undefined>;

  /**
   * Runs `fn` whenever this tab leads; the signal is aborted when another tab is to lead. `term` is the fencing token of this
   * tab's leading. What `fn` throws is an `error` event. Gives a function that ends it.
   */
  runAsLeader(fn: (leading: { signal: Signal; term: number }) => any): () => void;
  /**
   * Lets other tabs have this one carry out a task: one function; a later call replaces it. The sender hears of it when the
   * result has resolved. Gives a function that ends it.
   */
  handle(task: string, fn: (payload: any, from: string) => any): () => void;
  /**
   * Has another tab carry out a task, the leader if none is named; resolves with the result of its function. Ends with
   * `ERR_TAB_GONE` where the named tab is gone, or no tab can lead, `ERR_TASK_UNKNOWN`, `ERR_PAYLOAD_INVALID`, or what the
   * function threw.
   */
  delegate(task: string, payload?: any, options?: { to?: string }): Promise<any>;
  /** One tab runs `fn`; all that ask get its result, also later. */
  showOnce(key: string, fn: (shown: { signal: Signal }) => any): Promise<any>;
  /** Asks the leader for all pages to be loaded anew; all tabs get one `reload` event where it wants to. */
  reload(payload?: any): Promise<boolean>;

  /** The state that tabs share; nothing before the first write. */
  readonly bundle: StateBundle | undefined;
  /**
   * Changes the snapshot: a value, or a function of the present one. In the leader mode the leader's alone: otherwise
   * `ERR_NOT_LEADER`. `ERR_STATE_SCHEMA`, `ERR_STATE_CONFLICT`, `ERR_PAYLOAD_INVALID`.
   */
  setState(value: any | ((now: any) => any)): Promise<void>;
  /** Changes the config, as `setState` does the snapshot. */
  setConfig(value: any | ((now: any) => any)): Promise<void>;
  /** Asks the leader, whose function for `reset-request` decides. */
  requestReset(payload?: any): Promise<any>;

  /** The session as tabs named it last: its id, and how often it has changed. */
  readonly session: { epoch: number; id: string | undefined };
  /** Names this tab's session. Another name voids what was asked for in the one before: `ERR_SESSION_CHANGED`. */
  setSession(id?: string): Promise<void>;
  /**
   * One refresh for all tabs that ask meanwhile: `fn`, or the option `refresh`, runs in one of them. `attempts`: how often it is
   * tried, 3. `deadline`: milliseconds for all attempts, 30000. Ends with `ERR_REFRESH_TIMEOUT`, `ERR_SESSION_CHANGED`, or what
   * `fn` threw last.
   */
  refresh<T>(
    fn?: (refresh: { signal: Signal }) => T | Promise<T>,
    options?: { attempts?: number; deadline?: number },
  ): Promise<T>;
  /**
   * Ends the session in all tabs: each stops, then what is stored is deleted. `ERR_LOGOUT_TIMEOUT`. With a durable store the
   * connection ends, too.
   */
  logout(): Promise<void>;
  /** Starts the idle timer of all tabs, in milliseconds. Activity in any of them puts it back. `ERR_OPTION_INVALID`. */
  idle(options: { warnAfter: number; timeoutAfter: number }): Promise<void>;
  /** Puts the idle timer back: the user is there, as the application knows. */
  noteActivity(): void;
  /** Milliseconds until the idle time is over; nothing without a timer. */
  readonly idleLeft: number | undefined;

  /**
   * Sends something through the second connection, and gives its answer. It ends with `ERR_REALTIME_DISCONNECTED` where there is
   * none, and with `ERR_REALTIME_LOST` where connection or host ended before the answer: it is never sent twice.
   */
  sendSignalR(payload: any, options?: { signal?: Signal }): Promise<any>;

  /** Throws `ERR_DEVICES_NOT_SET_UP` without the option. */
  readonly devices: Devices;
  /** Holds what one tab of one of the user's devices has at a time, until `resign()` or while `fn` runs. */
  lease(name: string, options?: LeaseOptions): Promise<Lease>;
  lease<T>(name: string, fn: (lease: Lease) => T | Promise<T>): Promise<T>;
  lease<T>(name: string, options: LeaseOptions, fn: (lease: Lease) => T | Promise<T>): Promise<T>;
  /** Runs `fn` in one tab of one device at a time; gives a function that ends it. */
  runOnOneDevice(fn: (lease: Lease) => any, options?: { name?: string; ttl?: number }): () => void;

  /** The last error, with `host` and `limits`. */
  readonly health: { lastError: any; host: ConnectionHost; limits: string[] };
  /**
   * Says by `storage` events when a threshold is passed, in either direction, and when the store was evicted. `thresholds`: parts
   * of the quota, 0.8 and 0.95. `interval`: milliseconds between two looks, 60000. Gives a function that ends it.
   */
  watchStorage(options?: { thresholds?: number[]; interval?: number }): () => void;
  /** Milliseconds of a message to the host and back. */
  latency(): Promise<number>;
}
