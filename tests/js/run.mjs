/**
 * Runs the tests of this folder and those of the examples, each file in a process of its own, and ends with a count.
 * A test that was found and did not report counts as failed, whatever ended its process.
 *
 *   node tests/js/run.mjs [--checked] [part of a file's path]
 *
 * With `--checked` the fuzz tests run instead, on the module that `cargo xtask build --checked` makes.
 */

import { fork } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import Mocha from 'mocha';

/** Milliseconds for one test: the slowest takes about two seconds on a busy machine. */
const TEST_LIMIT = 20_000;
/** A file's process that says nothing for so many times the limit of its test does not yield, and is ended. */
const PATIENCE = 2;

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FOLDERS = ['tests/js', 'examples/test'];

/** What Node is started with for the fuzz tests. */
const CHECKED = [
  ...['--import', new URL('checked-package.mjs', import.meta.url).href],
  // Node 20 ends with "unreachable code" where it drops the optimised code of a call into WebAssembly that it inlined.
  '--no-turbo-inline-js-wasm-calls',
];

const [, script, ...words] = process.argv;
const checked = words[0] === '--checked';
const argument = words[checked ? 1 : 0] ?? '';
if (process.send) await runFile(argument);
else await runAll(argument);

/** In the child: one file, every step reported. */
async function runFile(file) {
  const mocha = new Mocha({ reporter: class {}, timeout: TEST_LIMIT });
  mocha.addFile(ROOT + file);
  await mocha.loadFilesAsync();
  const names = [];
  mocha.suite.eachTest((test) => names.push(test.fullTitle()));
  process.send({ kind: 'plan', names });
  const runner = mocha.run(() => process.send({ kind: 'end' }, () => process.exit(0)));
  runner.on('test', (test) => process.send({ kind: 'start', limit: test.timeout() }));
  runner.on('pass', (test) => process.send({ kind: 'pass', name: test.fullTitle() }));
  runner.on('fail', (test, error) => {
    process.send({ kind: 'fail', name: test.fullTitle(), error: error.stack ?? String(error) });
  });
}

async function runAll(part) {
  const ending = checked ? '.fuzz.mjs' : '.test.mjs';
  const files = FOLDERS.flatMap((folder) =>
    readdirSync(ROOT + folder).map((name) => `${folder}/${name}`),
  ).filter((file) => file.endsWith(ending) && file.includes(part));
  let passed = 0;
  let failed = 0;
  for (const file of files) {
    const { planned, good, bad } = await watch(file);
    const failures = [...bad].map(([name, error]) =>
      `${name}\n${error}`.replace(/\n/g, '\n      '),
    );
    passed += good.size;
    failed += bad.size;
    console.log(`${file}: ${good.size}/${planned}`);
    for (const failure of failures) console.log(`  FAILED ${failure}`);
  }
  if (!files.length) failed += 1;
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}

function watch(file) {
  const good = new Set();
  const bad = new Map();
  let names = [];
  let ended = false;
  return new Promise((resolve) => {
    const execArgv = checked ? CHECKED : process.execArgv;
    const stdio = ['ignore', 'inherit', 'pipe', 'ipc'];
    const child = fork(script, [file], { execArgv, stdio });
    let lastWords = '';
    let silence;
    const listenOn = (limit = TEST_LIMIT) => {
      clearTimeout(silence);
      silence = setTimeout(() => child.kill('SIGKILL'), PATIENCE * limit);
    };
    listenOn();
    child.stderr.on('data', (chunk) => (lastWords = (lastWords + chunk).slice(-2000)));
    child.on('message', ({ kind, name, error, names: all, limit }) => {
      listenOn(limit);
      if (kind === 'plan') names = all;
      else if (kind === 'start') return;
      else if (kind === 'pass') good.add(name);
      else if (kind === 'fail') bad.set(name, error);
      else ended = true;
    });
    child.on('close', (code, signal) => {
      clearTimeout(silence);
      for (const name of bad.keys()) good.delete(name);
      for (const name of names) {
        if (!good.has(name) && !bad.has(name)) bad.set(name, 'did not run');
      }
      if (!ended) bad.set('the process', `ended with ${signal ?? `code ${code}`}\n${lastWords}`);
      resolve({ planned: names.length, good, bad });
    });
  });
}
