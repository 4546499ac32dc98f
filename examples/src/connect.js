/** Where the demos get their connection: ours, or with `?client=stock` the stock client. */
const stock = new URLSearchParams(location.search).get('client') === 'stock';

export const { createConnection } = stock ? await import('./stock.js') : await import('./proxy.js');
