/** Where the demos get their connection and the registry of OT types: ours, or with `?client=stock` the stock client's. */
const stock = new URLSearchParams(location.search).get('client') === 'stock';

export const { createConnection, killWorker, types } = stock
  ? await import('./stock.js')
  : await import('./proxy.js');
