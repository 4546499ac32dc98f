/** The list of what this tab saw last, and the line that says what went wrong. */

const SHOWN = 12;

/**
 * @param {string} who
 * @param {string} what
 */
export function log(who, what) {
  const row = document.createElement('li');
  row.append(cell('who', who), cell('what', what));
  const list = document.querySelector('#log');
  list.prepend(row);
  while (list.children.length > SHOWN) list.lastElementChild.remove();
}

/** Shows an error. @param {any} error */
export function report(error) {
  console.error(error);
  const line = document.querySelector('#problem');
  line.hidden = false;
  line.textContent = error.code ? `${error.message} (${error.code})` : String(error);
}

/** A tab's id is long: its beginning tells it from the others. */
export const short = (id) => id?.slice(0, 6) ?? '–';

function cell(className, text) {
  const element = document.createElement('span');
  element.className = className;
  element.textContent = text;
  element.title = text;
  return element;
}
