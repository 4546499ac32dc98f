/**
 * Binds a text area (or a text input) to a string inside a json0 document, both ways, by character operations.
 *
 * What the person did is found by comparing the field with what it showed before, never by interpreting keys: so
 * typing, paste, drop, spelling corrections and dictation all work alike. Undo and redo take back the person's own
 * changes only, whatever others did since. While an input method composes (Chinese, Japanese, accents by dead keys) the field is left alone and nothing is sent; the
 * changes of others wait and are carried under the finished word.
 *
 * `path` must be stable: object keys, no list positions that other ops may shift.
 */
import { PendingSplice, findSplice, spliceText } from './splice.js';
import { UndoHistory } from './undo.js';

/**
 * Starts the binding.
 * @param {object} doc a subscribed ShareDB document of type json0
 * @param {HTMLTextAreaElement | HTMLInputElement} field
 * @param {Array<string>} path where the string is
 * @returns {() => void} ends the binding
 */
export function bindText(doc, field, path) {
  const binding = new TextBinding(doc, field, path);
  return () => binding.stop();
}

class TextBinding {
  constructor(doc, field, path) {
    this.doc = doc;
    this.field = field;
    this.path = path;
    this.listening = new AbortController();
    // The document's text as the field shows it, and the splices that happened since and are not yet shown.
    this.shown = '';
    this.unseen = [];
    this.composing = false;
    this.settling = false;
    this.history = new UndoHistory(doc);
    field.value = '';
    this.listen();
  }

  listen() {
    const { field, doc } = this;
    const { signal } = this.listening;
    field.addEventListener('input', () => this.settle(), { signal });
    const compose = (event) => {
      this.composing = event.type === 'compositionstart';
      this.settle();
    };
    field.addEventListener('compositionstart', compose, { signal });
    field.addEventListener('compositionend', compose, { signal });
    field.addEventListener('keydown', (event) => this.stepBy(event, historyKey(event)), { signal });
    field.addEventListener(
      'beforeinput',
      (event) => this.stepBy(event, HISTORY_INPUTS[event.inputType]),
      { signal },
    );
    const followOp = (op, source) => source !== this && this.receive(op);
    const reload = () => this.reload();
    for (const [event, listener] of Object.entries({
      op: followOp,
      load: reload,
      create: reload,
      del: reload,
    })) {
      doc.on(event, listener);
      signal.addEventListener('abort', () => doc.removeListener(event, listener));
    }
    reload();
  }

  stop() {
    this.listening.abort();
  }

  /** The text in the document now; '' while there is none. */
  text() {
    const value = this.path.reduce((parent, key) => parent?.[key], this.doc.data);
    return typeof value === 'string' ? value : '';
  }

  /** Shows the document as it is after it was created, deleted or loaded anew. */
  reload() {
    this.history.clear();
    this.receive([]);
  }

  /** Takes note of an op of somebody else, which `doc.data` includes. */
  receive(op) {
    this.history.follow(op);
    const splices = op.flatMap((component) => splicesOf(component, this.path));
    const before = this.unseen.reduce(spliceText, this.shown);
    const now = this.text();
    // The op says exactly where the text changed. Where that does not lead to the text that is there now (a value
    // replaced as a whole, a reload, an op submitted by another listener in between) the two texts are compared.
    const exact = splices.reduce(spliceText, before) === now;
    this.unseen.push(...(exact ? splices : [findSplice(before, now)].filter(Boolean)));
    this.settle();
  }

  /** Sends what was typed and shows what others did. Afterwards field and document are in step. */
  settle() {
    // A listener of the document may submit an op of its own while ours goes out: `repaint` then shows both.
    if (this.composing || this.settling) return;
    this.settling = true;
    try {
      const typed = this.typed();
      if (typed) this.send(typed);
      else this.showUnseen();
    } finally {
      this.shown = this.text();
      this.unseen = [];
      this.settling = false;
    }
  }

  send(typed) {
    this.unseen.forEach((splice) => typed.follow(splice));
    this.submit(typed.splices());
    this.repaint(typed.end());
  }

  /** What the person changed in the field, in positions of `shown`; null when nothing. */
  typed() {
    const splice = findSplice(
      lineFeeds(this.shown),
      this.field.value,
      this.field.selectionEnd ?? undefined,
    );
    if (!splice) return null;
    const at = documentIndex(this.shown, splice.at);
    const end = documentIndex(this.shown, splice.at + splice.remove);
    return new PendingSplice({ at, remove: end - at, insert: splice.insert });
  }

  submit(splices) {
    let text = this.text();
    const op = [];
    for (const { at, remove, insert } of splices) {
      if (remove > 0) op.push({ p: [...this.path, at], sd: text.slice(at, at + remove) });
      if (insert !== '') op.push({ p: [...this.path, at], si: insert });
      text = spliceText(text, { at, remove, insert });
    }
    if (op.length === 0) return;
    if (this.doc.type) this.history.record(op, performance.now());
    this.submitOp(op);
  }

  submitOp(op) {
    // A rejected op is taken back by the document, which says so by `op` or `load`: nothing is left to do here.
    this.doc.submitOp(op, { source: this }, () => {});
  }

  /** Takes back or makes again a step of the person's own, in place of the browser. */
  stepBy(event, direction) {
    if (!direction || this.composing) return;
    event.preventDefault();
    const op = this.doc.type && this.history[direction]();
    if (!op) return;
    this.submitOp(op);
    const splice = findSplice(this.field.value, lineFeeds(this.text()));
    this.shown = this.text();
    if (!splice) return;
    this.replace(splice);
    const caret = splice.at + splice.insert.length;
    this.field.setSelectionRange(caret, caret);
  }

  /** Shows the document's text where the field already holds something newer; `caret` is where typing ended. */
  repaint(caret) {
    const text = this.text();
    const splice = findSplice(this.field.value, lineFeeds(text));
    if (!splice) return;
    this.replace(splice);
    if (document.activeElement === this.field) {
      const index = lineFeeds(text.slice(0, caret)).length;
      this.field.setSelectionRange(index, index);
    }
  }

  showUnseen() {
    // With carriage returns in the text its positions are not the field's: the two are compared.
    const samePositions = ![this.shown, ...this.unseen.map(({ insert }) => insert)].some((text) =>
      text.includes('\r'),
    );
    const splices = samePositions
      ? this.unseen
      : [findSplice(this.field.value, lineFeeds(this.text()))];
    splices.filter(Boolean).forEach((splice) => this.replace(splice));
  }

  /** Changes the field's text; the selection stays on the characters that it was on. */
  replace({ at, remove, insert }) {
    const { selectionDirection } = this.field;
    this.field.setRangeText(insert, at, at + remove, 'preserve');
    if (selectionDirection === 'backward' && document.activeElement === this.field) {
      this.field.setSelectionRange(
        this.field.selectionStart,
        this.field.selectionEnd,
        selectionDirection,
      );
    }
    this.field.dispatchEvent(new CustomEvent('remotechange'));
  }
}

/** The kinds of input by which a browser's menus ask for a step. */
const HISTORY_INPUTS = { historyUndo: 'undo', historyRedo: 'redo' };

/** Which way a key asks to step; undefined for any other key. */
function historyKey({ key, ctrlKey, metaKey, shiftKey, altKey }) {
  if (altKey || !(ctrlKey || metaKey)) return undefined;
  const letter = key.toLowerCase();
  if (letter === 'z') return shiftKey ? 'redo' : 'undo';
  return letter === 'y' && ctrlKey && !shiftKey ? 'redo' : undefined;
}

/** The splices that a json0 component makes in the string at `path`; none where it changes something else. */
function splicesOf(component, path) {
  const leads = (keys) => keys.length >= path.length && path.every((key, i) => key === keys[i]);
  if (!leads(component.p)) return [];
  if (component.p.length === path.length) {
    return component.t === 'text0' ? component.o.map(({ p, i, d }) => textSplice(p, i, d)) : [];
  }
  return [textSplice(component.p[path.length], component.si, component.sd)];
}

const textSplice = (at, inserted = '', removed = '') => ({
  at,
  remove: removed.length,
  insert: inserted,
});

/** A text area shows every kind of line end as a line feed. */
const lineFeeds = (text) => (text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text);

/** The position in `text` of the `index`-th character of `lineFeeds(text)`. */
function documentIndex(text, index) {
  if (!text.includes('\r')) return index;
  let at = 0;
  for (let seen = 0; seen < index; seen += 1) at += text.startsWith('\r\n', at) ? 2 : 1;
  return at;
}
