/**
 * A build of the application whose protocol has the next number. `cargo xtask build --later` makes its modules.
 *
 * The later host serves tabs of both protocols; the earlier one hands over, and nobody reloads.
 */
import assert from 'node:assert/strict';
import { countLogged } from './ledger.mjs';
import { until } from './stage.mjs';

const ID = 'd';
/** Edits of each tab while hosts change. */
const EDITS = 40;

/** Opens the document in a new tab of one of the builds. */
async function open(stage, build, options) {
  const page = await stage.visit(`${build}/tab.html`);
  await page.evaluate(
    async (given) => {
      window.demo = await window.lab.open({ namespace: 'later', named: true, ...given });
    },
    { ids: [ID], ...options },
  );
  await page.evaluate(() => window.demo.opened);
  return page;
}

/** The tab edits, as `name.0` and so on. */
const edit = (page, name) =>
  page.evaluate(([of, count]) => window.lab.edit(window.demo, of, count, 5), [name, EDITS]);

const markers = (...names) =>
  names.flatMap((name) => Array.from({ length: EDITS }, (_, n) => `${name}.${n}`));

/** The server has each of these once, and nothing else; each callback came once, without an error. */
async function assertAllOnce(stage, ended, pages, names) {
  const all = markers(...names).toSorted();
  await until('every callback came', () => ended.length >= all.length);
  assert.deepEqual(
    ended.toSorted(),
    all.map((marker) => `acknowledged ${marker}`),
  );
  const counts = await countLogged(stage, [ID]);
  assert.deepEqual(
    Object.fromEntries([...counts].toSorted()),
    Object.fromEntries(all.map((marker) => [marker, 1])),
  );
  for (const page of pages) assert.deepEqual(await page.evaluate(() => window.demo.errors), []);
}

/** The outcomes that tabs of the stage report, from now on. */
function outcomes(stage) {
  const ended = [];
  stage.onReport = (what, marker) => {
    if (what === 'acknowledged' || what === 'failed') ended.push(`${what} ${marker}`);
  };
  return ended;
}

/** Who has the host lock: the browser's name for a page or a worker. */
const holder = (page) =>
  page.evaluate(async () => {
    const { held } = await navigator.locks.query();
    return held.find(({ name }) => name === 'sharedb-proxy host later')?.clientId;
  });

/** Tabs of the later build come while those of the earlier one edit, offline: the host moves, and takes everything along. */
const comesLater = (options) => async (stage) => {
  const ended = outcomes(stage);
  const old = [await open(stage, 'lab', options), await open(stage, 'lab', options)];
  await edit(old[0], 'first');
  await stage.agreed(old, ID);
  const earlier = await holder(old[0]);
  await stage.cut(old);
  const editing = old.map((page, at) => edit(page, `old${at}`));
  const young = [await open(stage, 'later', options), await open(stage, 'later', options)];
  editing.push(...young.map((page, at) => edit(page, `young${at}`)));
  await Promise.all(editing);
  await until('the later host is there', async () => {
    const now = await holder(old[0]);
    return now && now !== earlier;
  });
  const pages = [...old, ...young];
  await stage.post('restore');
  await stage.agreed(pages, ID);
  await stage.reports(young[1], { tabs: 4, sockets: 1, pendingOps: 0 });
  await assertAllOnce(stage, ended, pages, ['first', 'old0', 'old1', 'young0', 'young1']);
  assert.equal(await stage.sockets(), 1);

  // The later build's tabs go: the others still have a host.
  for (const page of young) await page.close();
  await edit(old[1], 'last');
  await stage.agreed(old, ID);
  assert.equal(await stage.sockets(), 1);
};

/** Tabs of the earlier build come to the later one's host. */
const wasThere = (options) => async (stage) => {
  const ended = outcomes(stage);
  const young = [await open(stage, 'later', options), await open(stage, 'later', options)];
  const editing = young.map((page, at) => edit(page, `young${at}`));
  const later = await holder(young[0]);
  const old = [await open(stage, 'lab', options), await open(stage, 'lab', options)];
  editing.push(...old.map((page, at) => edit(page, `old${at}`)));
  await Promise.all(editing);
  const pages = [...old, ...young];
  await stage.agreed(pages, ID);
  await stage.reports(old[1], { tabs: 4, sockets: 1, pendingOps: 0 });
  await assertAllOnce(stage, ended, pages, ['young0', 'young1', 'old0', 'old1']);
  assert.equal(await holder(old[0]), later, 'the host stays');
};

export const laterProtocolTests = [
  { name: 'later protocol: comes later', run: comesLater({}) },
  { name: 'later protocol: comes later, without workers', run: comesLater({ elected: true }) },
  { name: 'later protocol: was there', run: wasThere({}) },
  { name: 'later protocol: was there, without workers', run: wasThere({ elected: true }) },
];
