/**
 * The set-ups in which the package is tried: one row each. A row says what is installed, which files a project has, how it is
 * built or served, and what is to come of it.
 *
 * - `build`: commands that fill `dist`; `served`: the folder to serve where nothing is built.
 * - `dev`: the command of a development server.
 * - `script`: a command that says `works`.
 * - `cases`: how the page is opened, if not once with the packaged worker and once with one of its own.
 */

const APP = { 'main.js': 'app/main.js', 'entry.js': 'app/entry.js', 'worker.js': 'app/worker.js' };
const BUNDLED = { ...APP, 'own-workers.js': 'app/own-workers.bundled.js' };
const SERVED = { ...APP, 'own-workers.js': 'app/own-workers.served.js' };

const page = (script, head = '') => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <link rel="icon" href="data:," />
    <title>Letters</title>
    ${head}
    <script ${script}></script>
  </head>
  <body></body>
</html>
`;
const asModule = (src, head) => page(`type="module" src="${src}"`, head);
const asScript = (src) => page(`defer src="${src}"`);

const PACKAGED = { name: 'packaged worker' };
const OWN = { name: 'own worker', workers: 'own' };

/** An entry of esbuild's, beside the application's. */
const WORKER_ENTRY = 'proxy=node_modules/sharedb-proxy/dist/sharedb-proxy-worker.js';
/** Where nothing copies the packaged worker, the application does, and says where it is. */
const COPY_WORKER = [
  'node',
  '-e',
  "fs.cpSync('node_modules/sharedb-proxy/dist/sharedb-proxy-worker.js', 'dist/proxy.js')",
];
const COPY_PAGE = ['node', '-e', "fs.cpSync('index.html', 'dist/index.html')"];
const COPIED = [
  { ...PACKAGED, options: { workerUrl: 'proxy.js' } },
  OWN,
  { name: 'no worker that is served', host: 'elected-tab, page', says: /is not there.*workerUrl/ },
];

const vite = (version) => ({
  packages: { vite: version },
  files: { ...BUNDLED, 'index.html': asModule('/entry.js') },
  build: [['vite', 'build']],
  dev: (port) => ['vite', '--port', `${port}`, '--strictPort'],
});

const webpackConfig = (entry) => `export default { mode: 'production', entry: './${entry}' };`;
const webpack = { webpack: '5', 'webpack-cli': '*' };

const besideSharedb = (version) => ({
  packages: { sharedb: version },
  files: { 'node.mjs': 'app/node.mjs' },
  script: ['node', 'node.mjs'],
});

export const ROWS = {
  'vite-8': { ...vite('8'), small: true },
  'vite-7': vite('7'),
  'vite-6': vite('6'),
  'vite-5': vite('5'),
  'webpack-5': {
    small: true,
    packages: webpack,
    files: {
      ...BUNDLED,
      'index.html': asScript('main.js'),
      'webpack.config.js': webpackConfig('entry.js'),
    },
    build: [['webpack'], COPY_PAGE],
  },
  'webpack-5-require': {
    packages: webpack,
    files: {
      ...BUNDLED,
      'entry.cjs': 'app/entry.cjs',
      'index.html': asScript('main.js'),
      'webpack.config.js': webpackConfig('entry.cjs'),
    },
    build: [['webpack'], COPY_PAGE],
  },
  rspack: {
    packages: { '@rspack/core': '*', '@rspack/cli': '*' },
    files: {
      ...BUNDLED,
      'index.html': asScript('main.js'),
      'rspack.config.js': webpackConfig('entry.js'),
    },
    build: [['rspack', 'build'], COPY_PAGE],
  },
  'rollup-4': {
    packages: { rollup: '4', '@rollup/plugin-node-resolve': '*', '@rollup/plugin-commonjs': '*' },
    files: {
      ...SERVED,
      'index.html': asModule('entry.js'),
      'rollup.config.js': `import commonjs from '@rollup/plugin-commonjs';
import resolve from '@rollup/plugin-node-resolve';
export default {
  input: ['entry.js', 'worker.js'],
  output: { dir: 'dist' },
  plugins: [resolve({ browser: true, preferBuiltins: false }), commonjs()],
};`,
    },
    build: [['rollup', '-c'], COPY_PAGE, COPY_WORKER],
    cases: COPIED,
  },
  'esbuild-esm': {
    small: true,
    packages: { esbuild: '*' },
    files: { ...SERVED, 'index.html': asModule('entry.js') },
    build: [
      [
        ...['esbuild', 'entry.js', 'worker.js', WORKER_ENTRY],
        ...['--bundle', '--format=esm', '--splitting', '--outdir=dist'],
      ],
      COPY_PAGE,
    ],
    cases: COPIED,
  },
  'esbuild-iife': {
    packages: { esbuild: '*' },
    files: { ...SERVED, 'index.html': asScript('entry.js') },
    build: [
      [
        ...['esbuild', 'entry.js', 'worker.js', WORKER_ENTRY],
        ...['--bundle', '--format=iife', '--outdir=dist'],
      ],
      COPY_PAGE,
    ],
    cases: COPIED.map((one) => (one.says ? { ...one, says: /does not know.*workerUrl/ } : one)),
  },
  'parcel-2': {
    packages: { parcel: '2' },
    files: { ...BUNDLED, 'index.html': asModule('entry.js') },
    // Sub-paths of a package.
    manifest: { '@parcel/resolver-default': { packageExports: true } },
    build: [['parcel', 'build', 'index.html', '--dist-dir', 'dist', '--no-cache']],
    dev: (port) => ['parcel', 'index.html', '--port', `${port}`, '--no-cache'],
  },
  next: {
    packages: { next: '*', react: '*', 'react-dom': '*' },
    files: {
      ...BUNDLED,
      'app/page.js': 'app/next-page.js',
      'app/layout.js': 'app/next-layout.js',
      'next.config.mjs': `export default {
  output: 'export',
  distDir: 'dist',
  turbopack: { root: import.meta.dirname },
};`,
    },
    build: [['next', 'build']],
    dev: (port) => ['next', 'dev', '--port', `${port}`],
  },
  'import-map': {
    packages: {},
    files: {
      ...SERVED,
      'worker.js': `import { serve } from './node_modules/sharedb-proxy/dist/browser-worker.js';

serve();
`,
      'index.html': asModule(
        'entry.js',
        `<script type="importmap">
      { "imports": { "sharedb-proxy": "./node_modules/sharedb-proxy/dist/browser.js" } }
    </script>`,
      ),
    },
    served: '.',
  },
  csp: {
    ...vite('8'),
    dev: undefined,
    cases: [
      {
        ...PACKAGED,
        headers: {
          'content-security-policy': "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'",
        },
      },
      {
        name: 'no WebAssembly',
        headers: { 'content-security-policy': "script-src 'self'" },
        codes: ['ERR_WASM_UNAVAILABLE', 'ERR_WASM_UNAVAILABLE'],
      },
    ],
  },
  'other-origin': {
    ...vite('8'),
    dev: undefined,
    // The page comes from one origin, and what the bundler made from another one.
    build: [['vite', 'build', '--base', 'ASSETS/']],
    cases: [{ ...PACKAGED, host: 'elected-tab, dedicated-worker', says: /is of another origin/ }],
  },
  'node-esm': { ...besideSharedb('7'), small: true },
  'node-cjs': {
    small: true,
    packages: { sharedb: '7' },
    files: { 'node.cjs': 'app/node.cjs' },
    script: ['node', 'node.cjs'],
  },
  'beside-sharedb-6': besideSharedb('6'),
  'beside-sharedb-5': besideSharedb('5'),
  bun: {
    packages: { bun: '*', sharedb: '7' },
    files: { 'node.mjs': 'app/node.mjs' },
    script: ['bun', 'node.mjs'],
  },
  jest: {
    packages: { jest: '*', 'jest-environment-jsdom': '*', sharedb: '7' },
    files: {
      'app.test.cjs': 'app/in-jsdom.cjs',
      'jest.config.json':
        '{ "testEnvironment": "jsdom", "testMatch": ["**/*.test.cjs"], "transform": {} }',
    },
    script: ['node', '-e', `${runTests('jest')}`],
  },
  vitest: {
    packages: { vitest: '*', jsdom: '*', sharedb: '7' },
    files: { 'app.test.mjs': 'app/in-jsdom.mjs' },
    script: ['node', '-e', `${runTests('vitest run --environment jsdom')}`],
  },
};

/** Says `works` where the tests pass. */
function runTests(command) {
  return `require('node:child_process').execSync('npx --no-install ${command}', { stdio: 'inherit' }); console.log('works')`;
}

/** Where `docs/bundlers.md` says what a set-up needs: the beginning of a line of its table. */
export const DOCUMENTED = {
  'vite-8': 'Vite 8, 7, 6',
  'vite-7': 'Vite 8, 7, 6',
  'vite-6': 'Vite 8, 7, 6',
  'vite-5': 'Vite 5',
  'webpack-5': 'webpack 5, by `import` or `require`',
  'webpack-5-require': 'webpack 5, by `import` or `require`',
  rspack: 'Rspack',
  'rollup-4': 'Rollup 4',
  'esbuild-esm': 'esbuild, `--format=esm`',
  'esbuild-iife': 'esbuild, `--format=iife`',
  'parcel-2': 'Parcel 2',
  next: 'Next 16 (Turbopack), `next build` and `next dev`',
  'import-map': 'an import map, no bundler',
  csp: 'Content-Security-Policy',
  'other-origin': 'scripts of another origin',
  'node-esm': 'Node 20 and later, `import` and `require`',
  'node-cjs': 'Node 20 and later, `import` and `require`',
  'beside-sharedb-6': 'beside `sharedb` 5, 6 or 7',
  'beside-sharedb-5': 'beside `sharedb` 5, 6 or 7',
  bun: 'Bun',
  jest: 'Jest with jsdom',
  vitest: 'Vitest with jsdom',
};
