/** Workers that are a script of their own beside the page. */

export const ownWorkers = {
  worker: (name) => new SharedWorker('./worker.js', { type: 'module', name }),
  dedicatedWorker: (name) => new Worker('./worker.js', { type: 'module', name }),
};
