/** Runs the code of guides: a block as a module runs, its free names those of an application. */

import { readFileSync } from 'node:fs';

const ROOT = new URL('../../', import.meta.url);
/** The address of the application's server, in the guides' words. */
const ADDRESS = 'wss://example.com/sharedb';

/** @param {string} path from the workspace's root */
export const read = (path) => readFileSync(new URL(path, ROOT), 'utf8');

/** The blocks of JavaScript of a text, each with the heading that it stands under. */
export function blocksOf(text) {
  return text.split(/^#+ /m).flatMap((section) => {
    const heading = section.slice(0, section.indexOf('\n'));
    const codes = [...section.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);
    return codes.map((code, place) => ({ heading, code, name: `${heading} ${place + 1}` }));
  });
}

/**
 * Runs a block, and gives what it declares or exports by default.
 *
 * @param {string} code
 * @param {{[path: string]: any}} modules by the paths that it imports
 * @param {{[name: string]: any}} scope
 * @param {string} address in the place of the guides' one
 */
export async function runBlock(code, modules, scope, address) {
  const script = code
    .replaceAll(ADDRESS, address)
    .replaceAll('import.meta.url', 'here')
    .replace(/^import (.*?) from ('.*?');.*$/gm, (_, names, path) => declare(names, path))
    .replace(/^import ('.*?');$/gm, 'modules[$1];')
    .replace(/^export default /m, 'const exported = ')
    .replace(/^export (const|function|class)/gm, '$1');
  for (const [, path] of script.matchAll(/modules\['(.*?)'\]/g)) {
    if (!modules[path]) throw new Error(`nothing stands for ${path}`);
  }
  const declared = [...script.matchAll(/^(?:const|let|function|class) (\w+)/gm)].map(
    ([, name]) => name,
  );
  const given = Object.keys(scope).filter(
    (name) => !declared.includes(name) && !imported(script).has(name),
  );
  const AsyncFunction = (async () => {}).constructor;
  const end = `\nreturn { ${declared.join(', ')} };`;
  const run = new AsyncFunction('modules', ...given, script + end);
  return run(modules, ...given.map((name) => scope[name]));
}

/** `{ a, b as c }` or `d` of an import, as a declaration. */
function declare(names, path) {
  const pattern = names.startsWith('{')
    ? names.replace(/(\w+) as (\w+)/g, '$1: $2')
    : `{ default: ${names} }`;
  return `const ${pattern} = modules[${path}];`;
}

/** The names that a script has from its imports. */
function imported(script) {
  const patterns = [...script.matchAll(/^const \{(.*?)\} = modules/gm)].map(([, names]) => names);
  return new Set(
    patterns.flatMap((names) => names.split(',').map((name) => name.split(':').pop().trim())),
  );
}
