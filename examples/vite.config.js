/**
 * The build of the demos: it only lists the pages. That `sharedb-proxy` (its wasm and its worker) needs
 * nothing more here is part of what the demos show.
 */
import { defineConfig } from 'vite';

export default defineConfig({
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
