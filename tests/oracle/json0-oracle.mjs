// Answers for npm ot-json0 on standard input and output, so that a test in another language can ask
// it millions of questions. One line in: a JSON array of cases `[document, a, b, c]`, each a JSON text.
// One line out: for each case an array of answers in the order of `questions`, each the JSON text of
// the result, or `!` and the message of what was thrown.

import { createInterface } from 'node:readline';
import json0 from 'ot-json0';

const { type } = json0;
const read = JSON.parse;

/** Each question reads its values anew: ot-json0 changes what it is given. */
const questions = [
  (doc) => read(doc),
  (doc, a) => type.apply(read(doc), read(a)),
  (doc, a, b) => type.apply(read(doc), read(b)),
  (doc, a, b) => type.transform(read(a), read(b), 'left'),
  (doc, a, b) => type.transform(read(b), read(a), 'right'),
  (doc, a, b) => type.transformX(read(a), read(b)),
  (doc, a, b, c) => type.compose(read(a), read(c)),
  (doc, a) => type.invert(read(a)),
  (doc, a) => type.normalize(read(a)),
];

function answer(question, texts) {
  try {
    const result = question(...texts);
    return result === undefined ? 'null' : JSON.stringify(result);
  } catch (error) {
    return '!' + error.message.toWellFormed();
  }
}

// A stack trace for each expected error would cost more than the question.
Error.stackTraceLimit = 0;

const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
for await (const line of lines) {
  const cases = JSON.parse(line);
  const answers = cases.map((texts) => questions.map((question) => answer(question, texts)));
  process.stdout.write(JSON.stringify(answers) + '\n');
}
