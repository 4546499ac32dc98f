const { createConnection } = require('sharedb-proxy');
const { start } = require('./main.js');

start(createConnection);
