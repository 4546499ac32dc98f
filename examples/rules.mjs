/** What the demos' backend knows beyond ShareDB: the type of the article, and the rule of the till. */
import richText from 'rich-text';
import Backend from 'sharedb';
import { COLLECTION } from './seeds.mjs';

Backend.types.register(richText.type);

/** Why an op on the till is refused. */
const overdrawn = (left) => ({
  code: 'ERR_OVERDRAWN',
  message: `the till would be overdrawn by ${-left}`,
});

/** Sees to it that nobody takes more from a till than there is. */
export function refuseOverdrafts(backend) {
  backend.use('commit', ({ collection, snapshot }, next) => {
    const isOverdrawn = collection === COLLECTION && snapshot.data?.left < 0;
    next(isOverdrawn ? overdrawn(snapshot.data.left) : undefined);
  });
}
