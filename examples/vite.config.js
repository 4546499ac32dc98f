/**
 * The build of the demos: it lists the pages, and gives them the head that they share. That `sharedb-proxy` (its wasm and its
 * worker) needs nothing here is part of what the demos show.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { defineConfig } from 'vite';

const HEADER = '<header class="top"></header>';

/** Fills in the head of each page, where its own link is the current one. */
const header = {
  name: 'header',
  transformIndexHtml: {
    order: 'pre',
    handler(html, { filename }) {
      const shared = readFileSync(new URL('src/header.html', import.meta.url), 'utf8').trim();
      const own = `<a href="./${basename(filename)}">`;
      const whole = shared.replace(own, own.replace('>', ' aria-current="page">'));
      return html.replace(HEADER, () => whole);
    },
  },
};

export default defineConfig({
  plugins: [header],
  build: {
    rollupOptions: {
      input: [
        ...['index.html', 'text.html', 'counter.html', 'board.html', 'rich.html', 'session.html'],
        ...['till.html', 'race.html'],
        'devtools.html',
      ],
    },
  },
});
