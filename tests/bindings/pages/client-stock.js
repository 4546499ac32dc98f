/** The page's client: the stock one. What an editor cannot do with it is not ours to mend. */

import client from 'sharedb/lib/client';

export const { types } = client;

export const connect = () => new client.Connection(new WebSocket(`ws://${location.host}/sharedb`));
