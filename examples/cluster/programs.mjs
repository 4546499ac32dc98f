/** Finds PostgreSQL, Redis and nginx on this machine, and installs them from Debian's packages where that is allowed. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The packages by the programs that they bring. */
const PACKAGES = {
  postgres: 'postgresql',
  initdb: 'postgresql',
  'redis-server': 'redis-server',
  nginx: 'nginx-light',
};
const DEBIAN_POSTGRES = '/usr/lib/postgresql';
/** Not in the path of every user. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/sbin'];

/**
 * The paths of the programs by their names.
 * @param {{mayInstall?: boolean}} [options]
 * @throws with one line that says what to install
 */
export function findPrograms({ mayInstall = true } = {}) {
  let found = look();
  if (mayInstall && missing(found).length && process.getuid?.() === 0) {
    install(missing(found));
    found = look();
  }
  const lacking = missing(found);
  if (lacking.length === 0) return found;
  throw new Error(
    `the cluster needs programs that are missing: apt-get install ${lacking.join(' ')}`,
  );
}

function look() {
  const folders = [
    ...debianPostgres(),
    ...(process.env.PATH ?? '').split(delimiter),
    ...SYSTEM_FOLDERS,
  ];
  const find = (name) => folders.map((folder) => join(folder, name)).find(isExecutable);
  return Object.fromEntries(Object.keys(PACKAGES).map((name) => [name, find(name)]));
}

/** Debian has each major version in a folder of its own, outside the path; the newest first. */
function debianPostgres() {
  let versions = [];
  try {
    versions = readdirSync(DEBIAN_POSTGRES);
  } catch {
    return [];
  }
  versions.sort((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(DEBIAN_POSTGRES, version, 'bin'));
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const missing = (found) => [
  ...new Set(
    Object.keys(PACKAGES)
      .filter((name) => !found[name])
      .map((name) => PACKAGES[name]),
  ),
];

/** The cluster has processes of its own: `RUNLEVEL` tells Debian to start none of the services that it installs. */
function install(packages) {
  console.log(`installing ${packages.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  try {
    execFileSync('apt-get', ['install', '-y', '-q', ...packages], {
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  } catch {
    // What is missing then is said by the caller.
  }
}
