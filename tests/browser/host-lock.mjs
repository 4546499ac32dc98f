/** Who has the host: the tests that end it wait until somebody else does. */
import { until } from '../until.mjs';

/** In the page: the page or worker that holds the host lock of the only namespace; nothing while none does. */
export async function holder() {
  const { held } = await navigator.locks.query();
  return held.find(({ name }) => name.startsWith('sharedb-proxy host '))?.clientId ?? null;
}

/**
 * Runs `blow`, which ends the host, and waits until another page or worker has it.
 *
 * @param {import('./stage.mjs').Tab} page one that stays
 * @param {() => any} blow
 */
export async function replaced(page, blow) {
  const lost = await page.evaluate(holder);
  await blow();
  let now;
  await until(
    'there is another host',
    async () => {
      now = await page.evaluate(holder);
      return now && now !== lost;
    },
    async () => ({ lost, now, host: await page.evaluate(() => window.demo.connection.host) }),
  );
}
