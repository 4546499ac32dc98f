/**
 * Binds a Quill editor to a document of type rich-text, both ways. Quill's deltas are the type's ops: what the person
 * does is submitted as it is, and what others do is applied as it is.
 *
 * While an input method composes (Chinese, Japanese, accents by dead keys) Quill holds back what is typed and must not be
 * changed: the ops of others wait, and are carried under the finished word.
 */
import Quill, { Delta } from 'quill';

/**
 * Starts the binding.
 * @param {object} doc a subscribed ShareDB document of type rich-text
 * @param {Quill} quill with `userOnly` history, so that undo takes back the person's own changes only
 */
export function bindQuill(doc, quill) {
  new QuillBinding(doc, quill).listen();
}

class QuillBinding {
  constructor(doc, quill) {
    this.doc = doc;
    this.quill = quill;
    /** What others did and the editor does not show yet. */
    this.unseen = new Delta();
  }

  listen() {
    const { doc, quill } = this;
    quill.on('text-change', (delta, _before, source) => source === 'user' && this.send(delta));
    // Quill says so a moment before it is done with the composition.
    quill.on(Quill.events.COMPOSITION_END, () => queueMicrotask(() => this.showUnseen()));
    // Our own ops carry the binding as their source: the editor shows them already.
    doc.on('op', (op, source) => source !== this && this.receive(op));
    for (const event of ['load', 'create', 'del']) doc.on(event, () => this.reload());
    this.reload();
    quill.history.clear();
  }

  /** Shows the document as it is after it was created, deleted or loaded anew: often as it was, so the caret stays. */
  reload() {
    const { doc, quill } = this;
    this.unseen = new Delta();
    quill.updateContents(quill.getContents().diff(new Delta(doc.data ?? [])), 'api');
    quill.enable(Boolean(doc.type));
  }

  /** @param {Delta} delta what the person did to what the editor shows */
  send(delta) {
    // Others were first: where both insert at one place, theirs stays in front.
    const op = this.unseen.transform(delta, true);
    this.unseen = delta.transform(this.unseen, false);
    // A rejected op is taken back by the document, which says so by `op` or `load`: nothing is left to do here.
    this.doc.submitOp(op, { source: this }, () => {});
  }

  /** @param {{ops: object[]}} op */
  receive(op) {
    this.unseen = this.unseen.compose(new Delta(op));
    this.showUnseen();
  }

  showUnseen() {
    if (this.quill.composition.isComposing) return;
    // What was typed and not yet reported goes out first, and changes what is left to show.
    this.quill.update();
    const delta = this.unseen;
    this.unseen = new Delta();
    this.quill.updateContents(delta, 'api');
    this.mendLines();
  }

  /**
   * Leaves each line one of the formats that Quill shows one at a time. Where two people format a line at once, rich-text
   * keeps both, and which one an editor would show depends on what it got last. All tabs make the same choice.
   */
  mendLines() {
    const change = withoutSurplus(this.doc.data ?? { ops: [] });
    if (change.ops.length === 0) return;
    this.doc.submitOp(change, { source: this }, () => {});
    this.quill.updateContents(change, 'api');
  }
}

/** Of these a line in Quill has one at most; the first one stays. */
const LINE_FORMATS = ['header', 'list', 'blockquote'];

/** @param {{ops: object[]}} contents */
function withoutSurplus({ ops }) {
  const change = new Delta();
  for (const { insert, attributes = {} } of ops) {
    const [stays, ...surplus] = LINE_FORMATS.filter((format) => format in attributes);
    const formats = surplus.map((format) => [format, null]);
    // An editor may show a surplus one: it has to be told the other, too.
    if (surplus.length > 0) formats.push([stays, attributes[stays]]);
    change.retain(insert.length ?? 1, Object.fromEntries(formats));
  }
  return change.chop();
}
