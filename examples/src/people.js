/**
 * Who a tab is to the others: a name and a colour out of a short list, another for every tab of the browser.
 *
 * The browser keeps account by Web Locks: a tab holds the lock of its name for as long as it lives, and a tab that
 * crashes gives its name back. Two browsers may well use the same name.
 */

/** Their colours are the style sheet's `--person-0` and so on. */
const NAMES = ['Iris', 'Otto', 'Mara', 'Jonas', 'Wilma', 'Emil'];

/** @type {Promise<number> | undefined} */
let somebody;

/**
 * Takes the first name that no other tab has; any name where all are taken, or where there are no locks.
 * @returns {Promise<number>} the number of the person, who is the same for as long as the page lives
 */
export function becomeSomebody() {
  return (somebody ??= chooseName());
}

async function chooseName() {
  const free = navigator.locks ? NAMES.keys() : [];
  for (const person of free) if (await take(person)) return person;
  return Math.floor(Math.random() * NAMES.length);
}

function take(person) {
  return new Promise((resolve, reject) => {
    const hold = (lock) => {
      resolve(lock !== null);
      return lock && new Promise(() => {});
    };
    const name = `sharedb-proxy-demos person ${person}`;
    navigator.locks.request(name, { ifAvailable: true }, hold).catch(reject);
  });
}

/** @param {unknown} person as another client sent it */
const known = (person) => (Number.isInteger(person) && person in NAMES ? person : 0);

/** @param {number} person */
export const nameOf = (person) => NAMES[known(person)];

/** @param {number} person */
export const colourOf = (person) => `var(--person-${known(person)})`;
