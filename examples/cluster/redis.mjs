/**
 * The connections to Redis, with what sharedb-redis-pubsub leaves to its application: without `error` listeners a Redis that
 * goes away ends the process.
 *
 * While Redis is away, what is published waits in this process and goes out later. What *others* published while this process was
 * not connected never comes; `onBack` is called then.
 */
import RedisPubSub from 'sharedb-redis-pubsub';
import { createClient } from 'redis';

/** Milliseconds between two pings: a connection that carries nothing more is noticed by them. */
const PING_MS = 10_000;
/** Commands that wait while Redis is away. More are refused: an op is then in PostgreSQL and not published. */
const MOST_WAITING = 100_000;

/**
 * @param {string} url
 * @param {{onBack: () => void}} options
 */
export function connectRedis(url, { onBack }) {
  const options = { url, pingInterval: PING_MS, commandsQueueMaxLength: MOST_WAITING };
  const [client, observer] = ['client', 'observer'].map((role) => {
    const redis = createClient(options);
    redis.on('error', (error) => console.error(`Redis (${role}):`, error.message || error.code));
    return redis;
  });
  let isFirst = true;
  observer.on('ready', () => {
    if (!isFirst) onBack();
    isFirst = false;
  });
  const counts = { published: 0, received: 0, failed: 0 };
  const pubsub = new CountingPubSub({ client, observer, counts });
  pubsub.on('error', (error) => {
    counts.failed += 1;
    console.error('not published:', error.message);
  });
  return {
    pubsub,
    isHere: () => client.isReady && observer.isReady,
    status: () => ({ ready: client.isReady && observer.isReady, ...counts }),
  };
}

/** Counts what this process published and received. */
class CountingPubSub extends RedisPubSub {
  constructor({ counts, ...options }) {
    super(options);
    this.counts = counts;
  }

  _publish(channels, data, callback) {
    this.counts.published += channels.length;
    super._publish(channels, data, callback);
  }

  _emit(channel, data) {
    this.counts.received += 1;
    super._emit(channel, data);
  }
}
