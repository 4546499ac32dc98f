// A real ShareDB server for tests in Rust: npm sharedb and ws, a database in memory.
// Prints one line of JSON for each thing it did; reads one command a line: "restart", "dump c d".
import { Duplex } from 'node:stream';
import readline from 'node:readline';
import ShareDB from 'sharedb';
import { WebSocketServer } from 'ws';

const backend = new ShareDB();
let server;

/** A WebSocket as the stream of objects that ShareDB listens to. */
function stream(socket) {
  const duplex = new Duplex({
    objectMode: true,
    read() {},
    write(message, _encoding, done) {
      if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
      done();
    },
  });
  socket.on('message', (text) => duplex.push(JSON.parse(text)));
  socket.on('close', () => {
    duplex.push(null);
    duplex.destroy();
  });
  return duplex;
}

function say(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

function start(port) {
  server = new WebSocketServer({ host: '127.0.0.1', port });
  server.on('connection', (socket) => backend.listen(stream(socket)));
  server.on('listening', () => say({ port: server.address().port }));
}

/** Cuts all sockets and listens anew, on the same port and with the same documents. */
function restart() {
  const { port } = server.address();
  for (const socket of server.clients) socket.terminate();
  server.close(() => start(port));
}

function dump(collection, id) {
  backend.db.getOps(collection, id, 0, null, {}, (opsError, ops) => {
    backend.db.getSnapshot(collection, id, null, {}, (error, snapshot) => {
      say({ ops, data: snapshot?.data, v: snapshot?.v, error: opsError ?? error });
    });
  });
}

start(0);
readline
  .createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [command, ...names] = line.split(' ');
    if (command === 'restart') restart();
    if (command === 'dump') dump(...names);
  })
  .on('close', () => process.exit());
