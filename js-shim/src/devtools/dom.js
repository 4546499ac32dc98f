/** Makes elements. Text is always text: nothing that a document contains is read as markup. */

/**
 * @param {string} tag with its classes: `div.row.wide`
 * @param {...any} content attributes first, where it is a plain object; then elements, texts and lists of these
 * @returns {HTMLElement}
 */
export function h(tag, ...content) {
  const [name, ...classes] = tag.split('.');
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(' ');
  const [first] = content;
  if (first?.constructor === Object) {
    content.shift();
    for (const [key, value] of Object.entries(first)) {
      if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
      else if (value === true) element.setAttribute(key, '');
      else if (value !== false && value !== undefined) element.setAttribute(key, String(value));
    }
  }
  const items = content.flat(Infinity).filter((item) => item !== undefined && item !== false);
  element.append(...items.map((item) => (item instanceof Node ? item : String(item ?? '–'))));
  return element;
}

/**
 * A table, or a line that says that there is nothing.
 *
 * @param {(string | [string, 'number'])[]} heads
 * @param {any[][]} rows
 * @param {string} nothing
 */
export function table(heads, rows, nothing) {
  if (!rows.length) return h('p.muted', nothing);
  const classes = heads.map((head) => (Array.isArray(head) ? '.number' : ''));
  const cells = (/** @type {string} */ tag, /** @type {any[]} */ row) =>
    row.map((cell, at) => h(tag + classes[at], cell));
  const names = heads.map((head) => (Array.isArray(head) ? head[0] : head));
  return h(
    'div.scroll',
    h(
      'table',
      h('thead', h('tr', cells('th', names))),
      h(
        'tbody',
        rows.map((row) => h('tr', cells('td', row))),
      ),
    ),
  );
}

/** @param {[string, any][]} facts */
export const facts = (facts) =>
  h(
    'dl',
    facts.map(([name, value]) => h('div', h('dt', name), h('dd', value ?? '–'))),
  );
