/**
 * The documents that exist when the demo server starts. The pages create the same shapes under other ids when
 * they are opened with `?doc=…`.
 */

/** The collection of all demo documents. */
export const COLLECTION = 'demo';

const column = (title, cards) => ({ title, cards });

/**
 * Initial data by document id. On the board a column lists the ids of its cards and the texts lie apart, so that
 * moving a card (a list change) and typing in it (a text change) never touch the same place.
 */
export const SEEDS = {
  text: {
    text: [
      'A letter written by several hands',
      '',
      'Open this page in a second tab and put the two side by side.',
      'Type in both at once. Nobody waits, nobody overwrites anybody.',
      '',
    ].join('\n'),
  },
  counter: { value: 0 },
  board: {
    columns: [
      column('To do', ['seeds', 'fence', 'letter']),
      column('Doing', ['roses', 'kettle']),
      column('Done', ['path']),
    ],
    cards: {
      seeds: { text: 'Order seeds for spring' },
      fence: { text: 'Mend the fence behind the shed' },
      letter: { text: 'Write back to the neighbours' },
      roses: { text: 'Prune the roses' },
      kettle: { text: 'Descale the kettle' },
      path: { text: 'Sweep the path' },
    },
  },
};
