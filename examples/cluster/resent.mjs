/**
 * Publishes ops that are sent again. A server that dies between the commit of an op and its publication leaves the clients of the
 * other servers without it. The op's author has no answer either, and sends it again, to another server: that one finds it
 * committed, and publishes it in the other's stead. Who knows the op already drops it by its version.
 *
 * What is left is an author that never comes back. The hosts of this package ask by themselves after some silence.
 */
const CODE = 'ERR_OP_ALREADY_SUBMITTED';

/** @param {import('sharedb')} backend */
export function publishResentOps(backend) {
  backend.on('submitRequestEnd', (error, request) => {
    if (error?.code !== CODE || request.suppressPublish) return;
    const { collection, id, index, op } = request;
    backend.db.getOps(collection, id, op.v, op.v + 1, null, (failure, ops) => {
      if (failure || ops.length !== 1)
        return console.error('not published:', collection, id, failure);
      const published = { ...ops[0], v: op.v, c: collection, d: id, m: undefined };
      if (index !== collection) published.i = index;
      backend.pubsub.publish(request.channels ?? backend.getChannels(collection, id), published);
    });
  });
}
