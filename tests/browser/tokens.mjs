/**
 * Numbered tokens that tabs write into the text: each is inserted as a whole between others, so that it can be found
 * again as a whole, in the text and in the log.
 */

/**
 * The tokens in a text, in its order.
 *
 * @param {string} text
 * @returns {string[]}
 */
export const tokensIn = (text) => text.match(/<[A-Z]\d+>/g) ?? [];

/**
 * Lets a page write `count` tokens, one every few milliseconds, and waits for all callbacks.
 *
 * @param {import('./stage.mjs').Tab} page
 * @param {string} name a capital letter of the page's own
 * @param {number} count
 * @returns {Promise<string[]>} the tokens; rejected where a callback came with an error, or twice
 */
export const writeTokens = (page, name, count) => page.evaluate(writeInPage, { name, count });

/** In the page; `window.written` says how far it is. */
async function writeInPage({ name, count }) {
  const PAUSE_MS = 8;
  const { doc } = window.demo;
  const places = () => [0, ...[...doc.data.text.matchAll(/>/g)].map(({ index }) => index + 1)];
  const tokens = [];
  const answers = [];
  for (window.written = 0; window.written < count; window.written += 1) {
    const token = `<${name}${window.written}>`;
    const at = places();
    const place = at[Math.floor(Math.random() * at.length)];
    const answer = new Promise((resolve, reject) => {
      let calls = 0;
      doc.submitOp([{ p: ['text', place], si: token }], (error) => {
        calls += 1;
        if (error) reject(error);
        else if (calls > 1) throw new Error(`the callback of ${token} came twice`);
        else resolve();
      });
    });
    tokens.push(token);
    answers.push(answer);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  await Promise.all(answers);
  return tokens;
}
