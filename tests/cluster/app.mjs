/** What tests add to a server process: an op that says so ends it between its commit and its publication. */

const MARK = 'DIE UNPUBLISHED';

export function setUp(backend) {
  const { pubsub } = backend;
  const publish = pubsub.publish.bind(pubsub);
  const committed = new Set();
  const nameOf = ({ src, seq }) => `${src} ${seq}`;
  // Another server's op, which is published here in its stead, is not committed here.
  backend.use('commit', ({ op }, next) => {
    committed.add(nameOf(op));
    next();
  });
  pubsub.publish = (channels, data, callback) => {
    const isMarked = JSON.stringify(data.op ?? '').includes(MARK);
    if (isMarked && committed.has(nameOf(data))) process.kill(process.pid, 'SIGKILL');
    publish(channels, data, callback);
  };
}
