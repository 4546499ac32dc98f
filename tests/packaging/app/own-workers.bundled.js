/** Workers that a bundler finds by these expressions. The comment is for Vite 5, which else wants options that never change. */

export const ownWorkers = {
  worker: (name) =>
    new SharedWorker(new URL('./worker.js', import.meta.url), {
      /* @vite-ignore */
      type: 'module',
      name,
    }),
  dedicatedWorker: (name) =>
    new Worker(new URL('./worker.js', import.meta.url), {
      /* @vite-ignore */
      type: 'module',
      name,
    }),
};
