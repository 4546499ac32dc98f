/** Where the demos get their connection: the one place that knows which client they run on. */
export { createConnection } from './stock.js';
