/**
 * The documents that exist when the demo server starts. The pages create the same shapes under other ids when
 * they are opened with `?doc=…`.
 */

/** The collection of all demo documents. */
export const COLLECTION = 'demo';

/** The OT type by document id, where it is another than json0. */
export const TYPES = { rich: 'rich-text' };

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
  // The server sees to it that `left` is never below zero. The latest booking is the first.
  till: { left: 100, booked: [] },
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
  // Of type rich-text: a Quill Delta that only inserts. What formats a line stands on its line end.
  rich: {
    ops: [
      { insert: 'Notes from the allotment' },
      { insert: '\n', attributes: { header: 2 } },
      { insert: 'Put the caret somewhere, or ' },
      { insert: 'select a few words', attributes: { bold: true } },
      { insert: ': every other tab shows the place, under your name.\nBefore the frost' },
      { insert: '\n', attributes: { header: 3 } },
      { insert: 'Bring in the pumpkins' },
      { insert: '\n', attributes: { list: 'bullet' } },
      { insert: 'Cover the ' },
      { insert: 'young', attributes: { italic: true } },
      { insert: ' fig tree' },
      { insert: '\n', attributes: { list: 'bullet' } },
      { insert: 'Empty the water butt' },
      { insert: '\n', attributes: { list: 'bullet' } },
      { insert: 'A garden is never finished, it is only handed on.' },
      { insert: '\n', attributes: { blockquote: true } },
    ],
  },
};

/** Creates the demo documents by a connection of ShareDB's, and closes that. */
export async function createSeeds(connection) {
  for (const [id, data] of Object.entries(SEEDS)) {
    const doc = connection.get(COLLECTION, id);
    await new Promise((resolve, reject) => {
      doc.create(data, TYPES[id], (error) => (error ? reject(error) : resolve()));
    });
  }
  connection.close();
}
