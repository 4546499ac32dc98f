/** Types a line at a person's pace whenever a button is pressed, for those who want to watch. */

const TYPING_MS = { shortest: 35, longest: 130 };

/** What the typist knows. */
const LINES = [
  'The kettle has gone cold twice while we were talking.',
  'Somebody planted beans along the wall, and nobody admits to it.',
  'It rained in the night; the barrel is full again.',
  'If you read this in another tab: hello over there.',
  'The swallows came back on Tuesday, three days late.',
];

/**
 * @param {HTMLButtonElement} button
 * @param {(character: string) => void} type types a character where the caret is
 */
export function letTypistWrite(button, type) {
  let next = Math.floor(Math.random() * LINES.length);
  button.addEventListener('click', async () => {
    button.disabled = true;
    for (const character of `${LINES[next]}\n`) {
      type(character);
      const wait = TYPING_MS.shortest + Math.random() * (TYPING_MS.longest - TYPING_MS.shortest);
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
    next = (next + 1) % LINES.length;
    button.disabled = false;
  });
}
