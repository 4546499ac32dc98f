/** The till: what the server refuses, and what can be done about it; and the first page, with two tabs in it. */
import assert from 'node:assert/strict';
import { until } from './stage.mjs';

const spend = (page, amount) => page.click(`[data-spend="${amount}"]`);

const refused = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('#letters strong')].map(({ textContent }) => textContent),
  );

const refusedAre = (page, wanted) =>
  until(
    `the page shows ${wanted.length} refused ops`,
    async () => JSON.stringify((await refused(page)).sort()) === JSON.stringify(wanted),
    () => refused(page),
  );

/** Two tabs spend more than there is while the server is away. */
async function overdrawn(stage) {
  const pages = await stage.tabs(2, 'till', 'overdrawn', '&store=durable');
  const [a, b] = pages;
  await stage.cut(pages);
  await spend(a, 45);
  await spend(b, 45);
  await until('B shows both', async () => (await b.text('#left')) === '10');
  await spend(b, 30);
  await until('A shows all', async () => (await a.text('#left')) === '−20');
  await stage.post('restore');
  const { data } = await stage.agreed(pages, 'overdrawn');
  assert.equal(data.left, 10);
  for (const page of pages) {
    await refusedAre(page, ['30 for paint']);
    assert.match(await page.text('#letters .why'), /overdrawn by 20 \(ERR_OVERDRAWN\)/);
    assert.equal(await page.text('#left'), '10');
  }
  // Too early: it is another letter.
  await a.click('#letters .again');
  await until('it is refused again', () =>
    a.evaluate(() => window.demo.connection.deadLetters[0]?.number > 1),
  );
  await refusedAre(b, ['30 for paint']);
  await spend(b, -50);
  await stage.agreed(pages, 'overdrawn');
  await refusedAre(a, ['30 for paint']);
  await a.click('#letters .again');
  for (const page of pages) await refusedAre(page, []);
  assert.equal((await stage.agreed(pages, 'overdrawn')).data.left, 30);
  await spend(a, 45);
  for (const page of pages) await refusedAre(page, ['45 for a ladder']);
  await b.click('#letters .forget');
  for (const page of pages) await refusedAre(page, []);
  assert.equal((await stage.agreed(pages, 'overdrawn')).data.left, 30);
}

/** Without a durable store, the tab that submitted the op is told. */
async function told(stage) {
  const page = await stage.tab('till', 'told');
  for (const amount of [45, 45, 30]) await spend(page, amount);
  await refusedAre(page, ['30 for paint']);
  assert.equal((await stage.agreed([page], 'told')).data.left, 10);
  await page.click('#letters .forget');
  await refusedAre(page, []);
}

/** What is typed in one frame shows in the other. */
async function sideBySide(stage) {
  const page = await stage.browser.newTab();
  await page.goto(stage.server.url);
  const ready = () =>
    page.evaluate(() =>
      [...document.querySelectorAll('.pair iframe')].every(
        (frame) => frame.contentDocument?.querySelector('body[data-ready]') != null,
      ),
    );
  await until('both are ready', ready);
  await page.evaluate(() => {
    const field = document.querySelector('.pair iframe').contentDocument.querySelector('#letter');
    field.setRangeText('Hello. ', 0, 0, 'end');
    field.dispatchEvent(new InputEvent('input', { inputType: 'insertText' }));
  });
  await until('the other shows it', () =>
    page.evaluate(() =>
      document
        .querySelector('.pair iframe:last-child')
        .contentDocument.querySelector('#letter')
        .value.startsWith('Hello. '),
    ),
  );
  assert.equal(await stage.sockets(), 1);
}

const NO_SHARED = 'its pages are not told where the host is to be';

/** @type {{name: string, skip?: Record<string, string>, run: (stage: import('./stage.mjs').Stage) => Promise<void>}[]} */
export const tillTests = [
  { name: 'till: what overdraws it is refused, and seen to', run: overdrawn },
  { name: 'till: without a durable store, the tab is told', run: told },
  {
    name: 'till: the first page has two tabs side by side',
    skip: { 'elected-tab': NO_SHARED, 'in-page': NO_SHARED },
    run: sideBySide,
  },
];
