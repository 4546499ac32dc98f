/** What is submitted while the page goes away reaches the host, which outlives the page or has a store. */
import assert from 'node:assert/strict';
import { LAST_WORD, LAST_WRITE } from './engines/skips.mjs';
import { logged } from './ledger.mjs';
import { until } from './stage.mjs';

/** Each document's edits are of one listener. */
const MARKERS = { early: ['1', '2'], late: ['3', '4'] };
const lab = (ids, query = '') => `lab/tab.html?doc=${ids.join('&doc=')}${query}`;

/** The application saves in listeners that come before and after those of the connection, with one op for each marker. */
const saveOn = (page, event) =>
  page.evaluate(
    ([name, edits]) => {
      const target = name === 'pagehide' ? window : document;
      for (const id of Object.keys(window.demo.docs)) {
        const save = () => {
          const doc = window.demo.docs[id];
          for (const li of edits[id]) doc.submitOp([{ p: ['list', doc.data.list.length], li }]);
        };
        target.addEventListener(name, save, { once: true, capture: id === 'early' });
      }
    },
    [event, MARKERS],
  );

/** The server has what was saved, and so have the tabs. */
async function isSaved(stage, pages, ids) {
  for (const id of ids) {
    await until(
      `the server has what was saved of ${id}`,
      async () => (await logged(stage, id)).length > 0,
    );
    assert.deepEqual((await stage.agreed(pages, id)).data.list, MARKERS[id]);
  }
}

const ENDS = {
  reload: (stage, page) => stage.reload(page),
  close: (stage, page) => page.close(),
};

/** The host is in a worker that another tab keeps alive. */
async function besideAnother(stage, event, end) {
  const ids = Object.keys(MARKERS);
  const stays = await stage.visit(lab(ids));
  const page = await stage.visit(lab(ids));
  await saveOn(page, event);
  await ENDS[end](stage, page);
  await isSaved(stage, [stays], ids);
}

/** The host is in the page and dies with it, its store does not: one write can be begun, and no second one behind it. */
async function alone(stage, event, end, id) {
  const path = lab([id], '&host=in-page&namespace=alone');
  const page = await stage.visit(path);
  await until('the document is stored', () =>
    page.evaluate((doc) => window.demo.connection.isDocInInventory('demo', doc, 1), id),
  );
  await saveOn(page, event);
  await ENDS[end](stage, page);
  await isSaved(stage, [end === 'reload' ? page : await stage.visit(path)], [id]);
}

const cases = ['pagehide', 'visibilitychange'].flatMap((event) =>
  Object.keys(ENDS).map((end) => ({ event, end })),
);

const isLastWord = ({ event, end }) => event === 'pagehide' && end === 'close';

export const lastEditTests = cases.flatMap(({ event, end }) => [
  {
    name: `last edit: in ${event} of a ${end}, with a worker`,
    skip: isLastWord({ event, end }) ? LAST_WORD : {},
    run: (stage) => besideAnother(stage, event, end),
  },
  {
    name: `last edit: in ${event} of a ${end}, with the host in the page`,
    skip: { ...LAST_WRITE, ...(isLastWord({ event, end }) ? LAST_WORD : {}) },
    run: (stage) => alone(stage, event, end, end === 'reload' ? 'early' : 'late'),
  },
]);
