/**
 * Writes docs/api.md from the declarations of the package: what they say of each export, in their order.
 *
 *   node tests/docs/api.mjs [--check]
 *
 * It reads declarations as prettier writes them, and refuses what it does not know.
 */

import { readFileSync, writeFileSync } from 'node:fs';

const SOURCES = new URL('../../js-shim/src/', import.meta.url);
const PAGE = new URL('../../docs/api.md', import.meta.url);

/** The entries of the package: their sections, each with its file of declarations. */
const ENTRIES = [
  {
    entry: 'sharedb-proxy',
    same: 'sharedb-proxy/inline',
    sections: [
      ['Making a connection', 'index.d.cts'],
      ['Connection', 'types/connection.d.cts'],
      ['Documents, queries, presence', 'types/doc.d.cts'],
      ['The durable store', 'types/store.d.cts'],
      ['Errors, callbacks, emitters', 'types/shared.d.cts'],
      ['OT types and ops', 'types/ot.d.cts'],
      ['Names of messages', 'types/wire.d.cts'],
    ],
  },
  { entry: 'sharedb-proxy/coordinator', sections: [['', 'coordinator.d.cts']] },
  { entry: 'sharedb-proxy/promises', sections: [['', 'promises.d.cts']] },
  { entry: 'sharedb-proxy/worker', sections: [['', 'worker.d.ts']] },
  { entry: 'sharedb-proxy/signalr', sections: [['', 'signalr.d.ts']] },
  { entry: 'sharedb-proxy/devtools', sections: [['', 'devtools.d.ts']] },
  { entry: 'sharedb-proxy/tracing', sections: [['', 'tracing.d.ts']] },
];

/** The names of all entries that the page has. */
export const entries = ENTRIES.flatMap(({ entry, same }) => (same ? [entry, same] : [entry]));

const HEAD = `# API

What the package's declarations say, by entry; also of interfaces that they only mention. It is made from them (\`node tests/docs/api.mjs\`): mend it there. What ShareDB's own
[documentation](https://share.github.io/sharedb/api/) says of a method holds here, too.
`;

/** The page. */
export function page() {
  return [HEAD, ...ENTRIES.map(entryText)].join('\n');
}

/** Whether docs/api.md is what the declarations say. */
export const isCurrent = () => readFileSync(PAGE, 'utf8') === page();

function entryText({ entry, same, sections }) {
  const texts = sections.map(([title, file]) => {
    const declarations = declarationsOf(readFileSync(new URL(file, SOURCES), 'utf8'), file);
    return [title && `### ${title}\n`, ...joined(declarations).map(declarationText)]
      .filter(Boolean)
      .join('\n');
  });
  const about = same && `The same for \`${same}\`.\n`;
  return [`## \`${entry}\`\n`, about, ...texts].filter(Boolean).join('\n');
}

/** A declaration at the top of a file: its comment, its first line, and what stands within its braces. */
function declarationsOf(text, file) {
  const found = [];
  let comment = '';
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at];
    if (line.startsWith('/**')) {
      const end = lines.findIndex((one, place) => place >= at && one.includes('*/'));
      comment = plain(lines.slice(at, end + 1));
      at = end;
    } else if (/^(import|export \*|export (type )?\{)/.test(line)) {
      at = endOf(lines, at);
      comment = '';
    } else if (/^(export )?(declare )?(class|interface|type|function|const|enum) /.test(line)) {
      const end = endOf(lines, at);
      found.push({ ...declaration(lines.slice(at, end + 1)), comment });
      comment = '';
      at = end;
    } else if (line !== '') {
      throw new Error(`${file} has a line that is no declaration: ${line}`);
    }
  }
  // What is exported under another name.
  for (const [, own, other] of text.matchAll(/^export \{ (\w+) as (\w+) \};$/gm)) {
    const renamed = found.find(({ name }) => name === own);
    Object.assign(renamed, { name: other, head: renamed.head.replace(own, other) });
  }
  return found;
}

/** The last line of what begins at a line: where its brackets are closed. */
function endOf(lines, at) {
  let depth = 0;
  for (let end = at; end < lines.length; end += 1) {
    const code = lines[end].replace(/\/\*\*.*?\*\//g, '').replace(/^\s*(\/\*\*|\*).*/, '');
    for (const [mark] of code.replace(/=>/g, '').matchAll(/[({[\])}]/g)) {
      depth += '({['.includes(mark) ? 1 : -1;
    }
    const isDone = depth === 0 && /[;}]$/.test(lines[end]);
    if (isDone && !/^\s*[|&?:]/.test(lines[end + 1] ?? '')) return end;
  }
  throw new Error(`no end of: ${lines[at]}`);
}

function declaration(lines) {
  const [first] = lines;
  const parts = first.match(
    /^(?:export )?(?:declare )?(class|interface|type|function|const|enum) (\w+)/,
  );
  if (!parts) throw new Error(`no declaration: ${first}`);
  const [, kind, name] = parts;
  const text = lines.join('\n').replace(/^(export )?(declare )?/, '');
  const hasMembers = ['class', 'interface', 'enum'].includes(kind);
  const members = hasMembers ? membersOf(lines.slice(1, -1)) : [];
  const head = hasMembers
    ? first.replace(/^(export )?(declare )?/, '').replace(/ \{\}?$/, '')
    : text;
  return { kind, name, head, members };
}

/** Members of a class or interface, each with its comment. */
function membersOf(lines) {
  const members = [];
  let comment = '';
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at].trim();
    if (line.startsWith('/**')) {
      const end = lines.findIndex((one, place) => place >= at && one.includes('*/'));
      comment = plain(lines.slice(at, end + 1));
      at = end;
    } else if (line !== '') {
      const end = /,$/.test(line) ? at : endOf(lines, at);
      const code = oneLine(lines.slice(at, end + 1));
      // The next overload of a method has no comment of its own.
      members.push({ code: code.replace(/[;,]$/, ''), comment });
      comment = '';
      at = end;
    }
  }
  return members.filter(({ code }) => !code.startsWith('private '));
}

/** An interface of a class's name has its events only, and overloads of a function are one. */
function joined(declarations) {
  const all = [];
  for (const one of declarations) {
    const before = all.find(({ name }) => name === one.name);
    if (!before) all.push(one);
    else if (one.kind === 'function') before.head += `\n${one.head}`;
    else before.members.push(...one.members);
  }
  return all;
}

function declarationText({ name, head, members, comment }) {
  const what = members.length ? `\`${head}\`\n` : `\`\`\`ts\n${uncommented(head)}\n\`\`\`\n`;
  const rows = members.map(
    ({ code, comment: of }) => `- \`${code}\`${of && `<br>${of.replaceAll('\n\n', '<br>')}`}`,
  );
  const list = rows.length ? `${rows.join('\n')}\n` : '';
  return [`#### ${name}\n`, comment && `${comment}\n`, what, list].filter(Boolean).join('\n');
}

const uncommented = (code) => code.replace(/^\s*\/\*\*.*?\*\/\n/gms, '');

function oneLine(lines) {
  const code = uncommented(`${lines.join('\n')}\n`);
  return code
    .replace(/\s+/g, ' ')
    .replace(/,? ([)\]])/g, '$1')
    .replace(/([([]) /g, '$1')
    .trim();
}

/** The text of a comment. */
function plain(lines) {
  const inner = lines.map((line) => line.replace(/^\s*\/?\*\*?\/?/, '').replace(/\*\/$/, ''));
  const paragraphs = inner
    .map((line) => line.trim() || '\n\n')
    .join(' ')
    .trim();
  return paragraphs.replace(/\s*\n\s*/g, '\n\n').replace(/\{@link (\w+)(\.\w+)?\}/g, '`$1$2`');
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  if (!process.argv.includes('--check')) writeFileSync(PAGE, page());
  else if (!isCurrent()) {
    console.error('docs/api.md is not what the declarations say: node tests/docs/api.mjs');
    process.exitCode = 1;
  }
}
