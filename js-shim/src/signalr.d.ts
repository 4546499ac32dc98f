/** The types of `sharedb-proxy/signalr`. */
import type { OpenConnection } from './index.cjs';

/** What a hub connection of `@microsoft/signalr` has. */
interface Hub {
  readonly state: string;
  on(method: string, fn: (...args: any[]) => void): void;
  onreconnecting(fn: (error?: Error) => void): void;
  onreconnected(fn: () => void): void;
  onclose(fn: (error?: Error) => void): void;
  start(): Promise<void>;
  stop(): Promise<void>;
  invoke(method: string, ...args: any[]): Promise<any>;
}

/**
 * The second connection of all tabs over a hub connection of `@microsoft/signalr`. Messages are `{target, arguments}`, in both
 * directions: the method's name and what it is called with.
 */
export function signalR(
  /** Gives a hub connection that was not started, with this token. */
  build: (token: any) => Hub | Promise<Hub>,
  options: {
    /** The methods that the hub calls. Others are not heard. */
    methods: string[];
  },
): OpenConnection;
