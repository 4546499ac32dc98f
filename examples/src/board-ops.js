/**
 * The json0 ops of the board, and what of its data is to be seen. Pure functions of the document's data
 * `{columns: [{title, cards: [id]}], cards: {id: {text}}}`.
 *
 * Two tabs that move one card to different columns at the same moment both succeed: its id is then in two lists.
 * Everybody shows the first, and the next move takes it out of both.
 */

/** The card ids of each column as everybody shows them: each existing card once. */
export function visibleCards(data) {
  const seen = new Set();
  const isNew = (id) => data.cards[id] && !seen.has(id) && seen.add(id);
  return (data?.columns ?? []).map(({ cards }) => cards.filter(isNew));
}

/** The column of `visible` that shows card `id`; -1 where none does. */
export function columnOf(visible, id) {
  return visible.findIndex((ids) => ids.includes(id));
}

/** Puts a new, empty card at the end of a column. */
export function opToAdd(data, id, column) {
  return [
    { p: ['cards', id], oi: { text: '' } },
    { p: ['columns', column, 'cards', data.columns[column].cards.length], li: id },
  ];
}

/** Takes a card off the board, with its text. */
export function opToRemove(data, id) {
  return [...takeOut(data, id), { p: ['cards', id], od: data.cards[id] }];
}

/** Moves a card into `column` before the card `before`, or to the end where that is null. */
export function opToMove(data, id, column, before) {
  if (before === id) return [];
  const list = data.columns[column].cards;
  const found = takeOut(data, id);
  const [from] = found
    .map(({ p }) => p)
    .filter((path) => path[1] === column)
    .map((path) => path.at(-1));
  const rest = list.filter((other) => other !== id);
  const to = before === null ? rest.length : rest.indexOf(before);
  if (to < 0) return [];
  if (found.length === 1 && from !== undefined) {
    return from === to ? [] : [{ p: ['columns', column, 'cards', from], lm: to }];
  }
  return [...found, { p: ['columns', column, 'cards', to], li: id }];
}

/** The components that take `id` out of every list, from each list's end. */
function takeOut(data, id) {
  return data.columns.flatMap(({ cards }, column) =>
    cards
      .map((other, index) => ({ p: ['columns', column, 'cards', index], ld: other }))
      .filter(({ ld }) => ld === id)
      .reverse(),
  );
}
