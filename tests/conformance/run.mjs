/**
 * Runs ShareDB's own published client tests, unedited, against our client.
 *
 *   node tests/conformance/run.mjs [--in-page] [--hop] [--channel] [--file F] [--grep G] [--stock]
 *
 * `in-page` takes our client as it is; `hop` puts a real MessageChannel between tab and host, `channel` a BroadcastChannel;
 * `stock` runs the stock client, which checks this runner and not the client. What was planned
 * and did not run counts as failed.
 *
 * ShareDB's tests take `ot-json0-v2` from a repository; here it is ot-json0 1.1.0 by another
 * name. No test differs for it: with the stock client all 574 pass.
 */

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { FILES, MODES, appliesNowhere, hasHop, plan } from './plan.mjs';

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
    channel: { type: 'boolean' },
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
const modes = named.length > 0 ? named : ['in-page', 'hop', 'channel'];

printWhatDoesNotApply();
const results = [];
for (const mode of modes) results.push({ mode, tests: await runMode(mode) });
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
    const extra = failuresBesideTests(file, outcome);
    all.push(...extra);
    const doubt = whyItProvesNothing(mode, outcome.counts);
    for (const test of doubt ? planned : []) test.error ??= doubt;
    printFile(mode, file, [...planned, ...extra], outcome.counts);
  }
  return all;
}

/** What is wrong without being the failure of a planned test: it must not pass unnoticed. */
function failuresBesideTests(file, { unknown, outside, ended, ending }) {
  const failures = unknown.map((title) => ({
    title,
    error: 'this test is not in classification.json',
  }));
  for (const error of outside) failures.push({ title: 'outside any test', error });
  if (!ended) failures.push({ title: 'the test process', error: ending });
  return failures.map((failure) => ({ ...failure, file, class: 'none' }));
}

/** Tests that pass without touching our client, or without the hop, say nothing about it. */
function whyItProvesNothing(mode, { ours, messages }) {
  if (mode !== 'stock' && ours === 0) return 'no connection of this file was ours';
  if (hasHop(mode) && messages === 0) return 'nothing crossed from tab to host';
  return undefined;
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
    outside: [],
    counts: { ours: 0, stock: 0, legacy: 0, messages: 0 },
    missing: 'did not run',
    ended: false,
    ending: '',
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
        outcome.ending = `said nothing for ${SILENCE_LIMIT / 1000} s and was ended\n`;
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
    child.on('close', (code, signal) => {
      clearTimeout(silence);
      const lastWords = stderr.trim().split('\n').slice(0, 12).join('\n');
      outcome.ending += `ended early with ${signal ?? `code ${code}`}\n${lastWords}`;
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
      if (message.index === undefined) outcome.outside.push(message.error);
      else outcome.errors.set(message.index, message.error);
      break;
    case 'end':
      outcome.ended = true;
      break;
    case 'unknown':
      outcome.unknown.push(message.title);
      break;
  }
}

function printFile(mode, file, tests, counts) {
  const failed = tests.filter((test) => test.error);
  const passed = tests.length - failed.length;
  const whose = mode === 'stock' ? `${counts.stock} stock` : `${counts.ours} ours`;
  const legacy = counts.legacy ? `, ${counts.legacy} of ShareDB 1` : '';
  const hops = hasHop(mode) ? `; ${counts.messages} messages` : '';
  console.log(`${mode} ${file}: ${passed}/${tests.length} (connections: ${whose}${legacy}${hops})`);
  for (const test of failed) {
    console.log(`  FAILED [class ${test.class}] ${test.title}`);
    console.log(test.error.replace(/^/gm, '      '));
  }
}

/** Tests that cannot apply by name, parts not built yet as counts, each with its reason. */
function printWhatDoesNotApply() {
  const inMode = (mode) => files.flatMap((file) => plan(file, mode)).filter(isSelected);
  for (const test of inMode(modes[0]).filter(appliesNowhere)) {
    const kind = test.class === 'b' ? `b (${test.keep})` : test.class;
    console.log(`does not apply: [class ${kind}] ${test.file}: ${test.title}\n    ${test.reason}`);
  }
  for (const mode of modes.filter((mode) => mode !== 'stock')) {
    const skipped = inMode(mode).filter((test) => test.skip && !appliesNowhere(test));
    const reasons = countBy(skipped, (test) =>
      test.area ? test.skip : `class b (${test.keep}) applies only without a hop`,
    );
    for (const [reason, count] of reasons)
      console.log(`${mode}: ${count} tests skipped: ${reason}`);
  }
}

function countBy(tests, key) {
  const counts = new Map();
  for (const test of tests) counts.set(key(test), (counts.get(key(test)) ?? 0) + 1);
  return counts;
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
    console.log(hasHop(mode) ? classA : classA + classB);
  }
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed > 0 ? 1 : 0;
}
