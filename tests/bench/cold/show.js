/** What an application does first: it subscribes to a document, and shows it. The bench reads when it was there. */

/** The document's id and the server's address, as the page's address says. */
const query = new URLSearchParams(location.search);

export const address = new URL(query.get('socket') ?? '/', location.href.replace(/^http/, 'ws'));

/** @param {any} connection of either client */
export function show(connection) {
  const doc = connection.get('cold', query.get('doc'));
  doc.subscribe((error) => {
    // Counted from the navigation on.
    globalThis.first = { time: performance.now(), data: doc.data, error: error && String(error) };
  });
  globalThis.settled = () => connection.state === 'connected' && !doc.hasPending();
}
