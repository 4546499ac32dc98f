/** Runs the patches of this folder; `run.sh` says how, and how to write one. */
import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const SIMULATOR =
  'cargo run -q --release -p sharedb-proxy-tests --bin simulate -- --seeds 2000 --no-plans';

/** Each patch costs two builds and few seeds: they are built quickly, and run slower. */
const QUICK_BUILDS = {
  CARGO_PROFILE_RELEASE_DEBUG: '0',
  CARGO_PROFILE_RELEASE_INCREMENTAL: 'true',
  CARGO_PROFILE_RELEASE_OPT_LEVEL: '1',
};

const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '../..');
const target = join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'breaks');
const copy = join(target, 'copy');
/** Distinct commands, and whether each passes in the copy as it is. */
const passes = new Map();

copySources();
linkPackages();
const named = process.argv.slice(2).map((path) => resolve(path));
const patches = named.length ? named : allPatches();
const found = patches.filter(isFound).length;
console.log(`${found} passed, ${patches.length - found} failed`);
process.exitCode = found === patches.length ? 0 : 1;

function allPatches() {
  const names = fs.readdirSync(here).filter((name) => name.endsWith('.patch'));
  return names.sort().map((name) => join(here, name));
}

/** The tracked files. They get new times, so that cargo sees that they are not those of an earlier run. */
function copySources() {
  fs.rmSync(copy, { recursive: true, force: true });
  const listed = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' });
  for (const file of listed.split('\0').filter((file) => fs.existsSync(join(root, file)) && file)) {
    fs.mkdirSync(dirname(join(copy, file)), { recursive: true });
    fs.copyFileSync(join(root, file), join(copy, file));
  }
}

/**
 * Links the installed packages. The links of the workspace's own packages are relative, and copied as they are: they
 * lead to the sources of the copy. Files are copied after the sources, so `.package-lock.json` is newer than the lock
 * file, and nothing is installed again.
 */
function linkPackages() {
  const [from, to] = [join(root, 'node_modules'), join(copy, 'node_modules')];
  fs.mkdirSync(to);
  for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
    const [source, link] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isSymbolicLink()) fs.symlinkSync(fs.readlinkSync(source), link);
    else if (entry.isDirectory()) fs.symlinkSync(source, link);
    else fs.copyFileSync(source, link);
  }
}

/** Applies the patch, runs its command, takes the patch back, and says whether the command failed as it should. */
function isFound(patch) {
  const command = commandOf(patch);
  if (!passesUnbroken(command)) return report(patch, `\`${command}\` fails without the patch`);
  const dryRun = run('patch', ['-s', '-p1', '--dry-run', '-i', patch]);
  if (dryRun.status !== 0) return report(patch, `DOES NOT APPLY (${dryRun.lastLine})`);
  run('patch', ['-s', '-p1', '-i', patch]);
  const result = runCommand(command);
  run('patch', ['-s', '-p1', '-R', '-i', patch]);
  if (!result.isBuilt) return report(patch, `DOES NOT COMPILE\n${result.output}`);
  if (result.status === 0) return report(patch, `NOT FOUND by \`${command}\``);
  console.log(`${basename(patch, '.patch')}: found (${result.lastLine})`);
  return true;
}

function report(patch, what) {
  console.log(`${basename(patch, '.patch')}: ${what}`);
  return false;
}

function commandOf(patch) {
  const [head] = fs.readFileSync(patch, 'utf8').split(/^(?:diff --git|---) /m, 1);
  return /^Found by: *(.+?) *$/m.exec(head)?.[1] ?? SIMULATOR;
}

function passesUnbroken(command) {
  if (!passes.has(command)) {
    const { isBuilt, status, output } = runCommand(command);
    passes.set(command, isBuilt && status === 0);
    if (!passes.get(command)) console.log(output);
  }
  return passes.get(command);
}

/** Builds what the command runs, then runs it: what does not compile was not found by a test. */
function runCommand(command) {
  const build = run('sh', ['-c', buildOf(command)]);
  if (build.status !== 0) return { isBuilt: false, ...build };
  return { isBuilt: true, ...run('sh', ['-c', command]) };
}

function buildOf(command) {
  if (command.startsWith('cargo test '))
    return command.replace('cargo test', 'cargo test --no-run');
  if (command.startsWith('cargo run ')) {
    return command.split(' -- ', 1)[0].replace('cargo run', 'cargo build');
  }
  return 'cargo xtask build --dev';
}

/** Runs a program in the copy. Its last line is that of its standard output, where the runners sum up. */
function run(program, parameters) {
  const env = { ...process.env, ...QUICK_BUILDS, CARGO_TARGET_DIR: target };
  const options = { cwd: copy, env, encoding: 'utf8', maxBuffer: 2 ** 30 };
  const { status, stdout, stderr, error } = spawnSync(program, parameters, options);
  if (error) throw error;
  const lastLine = (stdout.trim() || stderr.trim()).split('\n').at(-1);
  return { status, lastLine, output: stdout + stderr };
}
