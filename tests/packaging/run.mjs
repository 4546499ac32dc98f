/**
 * Packs the package, installs it in a fresh project for each set-up of `rows.mjs`, and tries it there. Ends with a count.
 *
 *   node tests/packaging/run.mjs [--only PART] [--small]
 *
 * `--only` picks the rows whose name contains the part, `--small` those of the default test command.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../until.mjs';
import { check, launch, open } from './check.mjs';
import { GUIDE, followGuide } from './getting-started.mjs';
import { Project, pack } from './project.mjs';
import { DOCUMENTED, ROWS } from './rows.mjs';
import { DocServer, StaticServer } from './server.mjs';

const CASES = [{ name: 'packaged worker' }, { name: 'own worker', workers: 'own' }];

const [, , ...args] = process.argv;
const only = args.includes('--only') ? args[args.indexOf('--only') + 1] : undefined;
const isSmall = args.includes('--small');

let passed = 0;
let failed = 0;

/** One check; returns whether it passed. */
async function step(name, run) {
  try {
    await run();
    passed++;
    console.log(`ok ${name}`);
    return true;
  } catch (error) {
    failed++;
    console.log(`FAILED ${name}: ${String(error?.stack ?? error).replace(/\n/g, '\n    ')}`);
    return false;
  }
}

await step('docs/bundlers.md has each set-up', () => {
  const guide = readFileSync(new URL('../../docs/bundlers.md', import.meta.url), 'utf8');
  const missing = Object.keys(ROWS).filter((name) => !guide.includes(`\n| ${DOCUMENTED[name]} |`));
  if (missing.length) throw new Error(`it lacks ${missing}`);
});
const { file, size } = await pack();
console.log(`the tarball has ${Math.round(size / 1000)} kB`);
const browser = await launch();
const docs = await DocServer.start();
for (const [name, row] of Object.entries(ROWS)) {
  if (isSmall && !row.small) continue;
  if (only && !name.includes(only)) continue;
  const project = new Project(name, row);
  if (!(await step(`${name}: install`, () => project.make(file)))) continue;
  if (row.script) await step(`${name}: run`, () => script(project, row.script));
  if (row.build || row.served) await built(name, project, row);
  if (row.dev) await developed(name, project, row);
}
if (!isSmall && (!only || GUIDE.includes(only)))
  await step(`${GUIDE}: word for word`, () => followGuide(browser, file));
await browser.close();
docs.close();
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed || !passed ? 1 : 0;

async function script(project, [program, ...rest]) {
  const said = await project.run(program, rest);
  if (!said.includes('works')) throw new Error(said);
}

async function built(name, project, { build = [], served = 'dist', cases = CASES }) {
  const folder = join(project.root, served);
  // A second origin that has the same files.
  const assets = await StaticServer.start(folder, { 'access-control-allow-origin': '*' });
  const isBuilt = await step(`${name}: build`, async () => {
    for (const command of build) {
      const [program, ...rest] = command.map((word) => word.replace('ASSETS', assets.url));
      await project.run(program, rest);
    }
  });
  for (const one of isBuilt ? cases : []) {
    const server = await StaticServer.start(folder, one.headers);
    await step(`${name}: built, ${one.name}`, () => check(browser, docs, server.url, one));
    server.close();
  }
  assets.close();
}

async function developed(name, project, { dev, cases = CASES }) {
  let server;
  const started = await step(`${name}: dev server`, async () => {
    server = await project.serve(dev);
    // What it bundles when the page first asks is not what is tried.
    const context = await browser.newContext();
    const doc = await docs.create();
    await open(context, `${server.url}/?${new URLSearchParams({ server: docs.url, doc })}`);
    await context.close();
    // Each check counts those that are open when it begins.
    await until('the sockets are closed', () => docs.open === 0);
  });
  for (const one of started ? cases : [])
    await step(`${name}: dev, ${one.name}`, () => check(browser, docs, server.url, one));
  server?.close();
}
