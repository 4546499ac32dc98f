// Answers for npm ot-json0 on standard input and output, so that a test in another language can ask
// it millions of questions. One line in: a JSON array of cases `[document, a, b, c]`, each a JSON text.
// One line out: for each case an array of answers in the order of `questions`, each the JSON text of
// the result, or `!` and the message of what was thrown.

import { createInterface } from 'node:readline';
import json0 from 'ot-json0';

const { type } = json0;

/** Each question gets fresh values: ot-json0 changes what it is given. */
export const questions = [
  (doc) => doc,
  (doc, a) => type.apply(doc, a),
  (doc, a, b) => type.apply(doc, b),
  (doc, a, b) => type.transform(a, b, 'left'),
  (doc, a, b) => type.transform(b, a, 'right'),
  (doc, a, b) => type.transformX(a, b)[0],
  (doc, a, b) => type.transformX(a, b)[1],
  (doc, a, b, c) => type.compose(a, c),
  (doc, a) => type.invert(a),
  (doc, a) => type.normalize(a),
];

function answer(question, texts) {
  try {
    const result = question(...texts.map((text) => JSON.parse(text)));
    return result === undefined ? 'null' : JSON.stringify(result);
  } catch (error) {
    return '!' + error.message.toWellFormed();
  }
}

const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
for await (const line of lines) {
  const cases = JSON.parse(line);
  const answers = cases.map((texts) => questions.map((question) => answer(question, texts)));
  process.stdout.write(JSON.stringify(answers) + '\n');
}
