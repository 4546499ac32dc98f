/** The list of the last ops that a page saw, each with the place that it came from. */

const SHOWN_OPS = 7;
const LONGEST_TEXT = 24;

/**
 * Fills `list` with the document's latest ops, newest first.
 * @param {object} doc
 * @param {HTMLOListElement} list
 */
export function showOps(doc, list) {
  doc.on('op', (op, source) => {
    for (const what of op.ops ? linesOfDelta(op.ops) : op.map(describe)) {
      const row = document.createElement('li');
      row.className = source ? 'mine' : 'theirs';
      row.append(cell('who', source ? 'this tab' : 'elsewhere'), cell('what', what));
      list.prepend(row);
    }
    while (list.children.length > SHOWN_OPS) list.lastElementChild.remove();
  });
}

function cell(className, text) {
  const element = document.createElement('span');
  element.className = className;
  element.textContent = text;
  return element;
}

/** One json0 component in words. */
function describe(component) {
  const path = component.p.join(' › ');
  const at = component.p.at(-1);
  if (component.si !== undefined) return `insert ${quote(component.si)} at ${at}`;
  if (component.sd !== undefined) return `delete ${quote(component.sd)} at ${at}`;
  if (component.na !== undefined) return `add ${component.na} to ${path}`;
  if (component.lm !== undefined) return `move ${path} to ${component.lm}`;
  if (component.li !== undefined) return `put ${quote(component.li)} into ${path}`;
  if (component.ld !== undefined) return `take ${quote(component.ld)} from ${path}`;
  if (component.oi !== undefined) return `set ${path}`;
  if (component.od !== undefined) return `remove ${path}`;
  return `change ${path}`;
}

/** A rich-text op in words; where things are, counted in the text before it. */
function linesOfDelta(components) {
  let at = 0;
  return components.flatMap(({ insert, delete: removed = 0, retain = 0, attributes }) => {
    const start = at;
    at += removed + retain;
    if (insert !== undefined) return `insert ${quote(insert)} at ${start}`;
    if (removed > 0) return `delete ${removed} at ${start}`;
    return attributes ? `format ${retain} at ${start}: ${formats(attributes)}` : [];
  });
}

function formats(attributes) {
  const word = ([name, value]) => {
    if (value === null) return `not ${name}`;
    return value === true ? name : `${name} ${value}`;
  };
  return Object.entries(attributes).map(word).join(', ');
}

function quote(value) {
  const text = typeof value === 'string' ? value.replaceAll('\n', '↵') : JSON.stringify(value);
  return `“${text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text}”`;
}
