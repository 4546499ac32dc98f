import { createConnection } from 'sharedb-proxy';
import { start } from './main.js';

start(createConnection);
