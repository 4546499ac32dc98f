/**
 * Runs ShareDB's own published client tests, unedited, against our client.
 *
 *   node tests/conformance/run.mjs [--in-page] [--hop] [--file F] [--grep G] [--stock]
 *
 * `in-page` takes our client as it is; `hop` puts a real MessageChannel between tab and host;
 * `stock` runs the stock client, which checks this runner and not the client. What was planned
 * and did not run counts as failed.
 */

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { FILES, MODES, plan } from './plan.mjs';

/**
 * Milliseconds without a word from a test process after which it is ended. A test's own limit
 * is mocha's 2 seconds; only a client that hangs without yielding gets here.
 */
const SILENCE_LIMIT = 20_000;

const SUITE = fileURLToPath(new URL('./suite.mjs', import.meta.url));

const options = parseArgs({
  options: {
    'in-page': { type: 'boolean' },
    hop: { type: 'boolean' },
    stock: { type: 'boolean' },
    file: { type: 'string' },
    grep: { type: 'string' },
  },
}).values;

const files = FILES.filter((file) => !options.file || file.includes(options.file));
if (files.length === 0) {
  console.error(`no test file matches ${options.file}; there are: ${FILES.join(', ')}`);
  process.exit(2);
}
const named = MODES.filter((mode) => options[mode]);
const modes = named.length > 0 ? named : ['in-page', 'hop'];

const results = [];
for (const mode of modes) results.push({ mode, tests: await runMode(mode) });
printWhatDoesNotApply(results.flatMap(({ tests }) => tests));
printSummary(results);

async function runMode(mode) {
  const all = [];
  for (const file of files) {
    const tests = plan(file, mode).filter(isSelected);
    all.push(...tests);
    const planned = tests.filter((test) => !test.skip);
    if (planned.length === 0) continue;
    const outcome = await runFile(mode, file);
    for (const test of planned) {
      test.error =
        outcome.errors.get(test.index) ?? (outcome.passed.has(test.index) ? null : outcome.missing);
    }
    // What the plan does not know is a failure of the plan, and must not pass unnoticed.
    for (const title of outcome.unknown) {
      all.push({ file, title, class: '?', error: 'this test is not in the classification' });
    }
    if (mode !== 'stock' && outcome.counts.ours === 0) {
      for (const test of planned) test.error ??= 'no connection of this file was ours';
    }
    printFile(mode, file, planned, outcome);
  }
  return all;
}

function isSelected(test) {
  return !options.grep || new RegExp(options.grep).test(test.title);
}

/** Runs one file in a process of its own, and waits for that process to end. */
function runFile(mode, file) {
  const outcome = {
    passed: new Set(),
    errors: new Map(),
    unknown: [],
    counts: { ours: 0, stock: 0, legacy: 0 },
    missing: 'did not run',
  };
  return new Promise((resolve) => {
    const child = fork(SUITE, [mode, file, options.grep ?? ''], {
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    let stderr = '';
    let silence;
    const listenOn = () => {
      clearTimeout(silence);
      silence = setTimeout(() => {
        outcome.missing = `did not run: the process said nothing for ${SILENCE_LIMIT / 1000} s`;
        child.kill('SIGKILL');
      }, SILENCE_LIMIT);
    };
    listenOn();
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.on('message', (message) => {
      listenOn();
      note(outcome, message);
    });
    child.on('close', (code) => {
      clearTimeout(silence);
      if (code !== 0 && stderr) {
        outcome.missing += `: ${stderr.trim().split('\n').slice(0, 12).join('\n')}`;
      }
      resolve(outcome);
    });
  });
}

/** A test may pass and fail later (a second call of its callback): the failure counts. */
function note(outcome, message) {
  outcome.counts = message.counts ?? outcome.counts;
  switch (message.kind) {
    case 'pass':
      outcome.passed.add(message.index);
      break;
    case 'fail':
      if (message.index === undefined) outcome.missing = `did not run: ${message.error}`;
      else outcome.errors.set(message.index, message.error);
      break;
    case 'unknown':
      outcome.unknown.push(message.title);
      break;
  }
}

function printFile(mode, file, planned, { counts, unknown }) {
  const failed = planned.filter((test) => test.error);
  const passed = planned.length - failed.length;
  const whose = mode === 'stock' ? `${counts.stock} stock` : `${counts.ours} ours`;
  const legacy = counts.legacy ? `, ${counts.legacy} of ShareDB 1` : '';
  console.log(`${mode} ${file}: ${passed}/${planned.length} (connections: ${whose}${legacy})`);
  for (const test of failed) {
    console.log(`  FAILED [class ${test.class}] ${test.title}`);
    console.log(test.error.replace(/^/gm, '      '));
  }
  for (const title of unknown) console.log(`  FAILED [not in the classification] ${title}`);
}

/** Parts not built yet as counts, tests that cannot apply one by one. */
function printWhatDoesNotApply(tests) {
  const areas = new Map();
  const single = new Map();
  for (const { skip, area, file, title, class: kind, keep } of tests) {
    if (!skip) continue;
    if (area) areas.set(skip, (areas.get(skip) ?? 0) + 1);
    else single.set(`${file}: ${title}`, `[class ${kind}${keep ? ` ${keep}` : ''}] ${skip}`);
  }
  if (areas.size > 0) console.log('\nNot run, because a part is not built yet:');
  for (const [reason, count] of areas) console.log(`  ${count} runs: ${reason}`);
  if (single.size > 0) console.log('\nDoes not apply, at least with a hop between tab and host:');
  for (const [name, reason] of single) console.log(`  ${name}\n      ${reason}`);
}

function printSummary(all) {
  console.log('');
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const { mode, tests } of all) {
    const succeeded = tests.filter((test) => !test.skip && !test.error);
    passed += succeeded.length;
    failed += tests.filter((test) => test.error).length;
    skipped += tests.filter((test) => test.skip).length;
    const share = (isOfClass) =>
      `${succeeded.filter(isOfClass).length}/${tests.filter(isOfClass).length}`;
    const classA = `${mode}: class a ${share((test) => test.class === 'a')}`;
    const classB = `, class b ${share((test) => test.class === 'b' && test.keep !== 'no')}`;
    console.log(mode === 'hop' ? classA : classA + classB);
  }
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed > 0 ? 1 : 0;
}
