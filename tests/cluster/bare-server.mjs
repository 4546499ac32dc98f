/** ShareDB with both adapters as their READMEs have it: nobody listens to errors. */
import Backend from 'sharedb';
import PostgresDB from 'sharedb-postgres';
import RedisPubSub from 'sharedb-redis-pubsub';

const pubsub = new RedisPubSub({ url: process.env.REDIS_URL });
const backend = new Backend({ db: new PostgresDB(), pubsub });
backend
  .connect()
  .get('bare', 'doc')
  .subscribe((error) => console.log(error?.message ?? 'subscribed'));
