/**
 * The lab's page: opens documents as its address says, or as a test asks, and writes edits that each carry a marker of their
 * own, so that they can be counted in the server's log.
 *
 *   tab.html?doc=a&doc=b[&store=session][&worker=sealed-worker][&host=elected-tab][&namespace=n]
 *       [&urls=asked] [&watched]
 *
 * `host` is the kind of host: `shared-worker`, which is the default, `elected-tab` in the worker of a tab, or `in-page`, in the
 * page of one.
 *
 * Every edit is reported when it is submitted, when its callback comes, and when it comes from elsewhere. A page that is
 * `watched` also reports each edit that it has shown, and shows no more.
 */

import otText from 'ot-text';
import { IndexedDbStorage, createConnection, types } from 'sharedb-proxy';
import * as mirror from './mirror.js';
import { installTraps } from './trapping.js';

const COLLECTION = 'demo';

const query = new URLSearchParams(location.search);

/** The first thing in a new document. */
const EMPTY = { list: [], keys: {} };

/** Tells the tests; it stands in each of their pages. @type {(...what: any[]) => void} */
const { report } = globalThis;

/**
 * Opens documents over a connection of their own, and waits until each is there: from the server, or from the store.
 *
 * @param {object} options
 * @param {string[]} options.ids
 * @param {boolean} [options.durable] whether to keep them when all tabs are gone
 * @param {any} [options.store] what else the page says of the durable store
 * @param {string} [options.namespace]
 * @param {string} [options.path] of the address
 * @param {string} [options.worker] the name of the worker's module
 * @param {string} [options.name] the worker's
 * @param {boolean} [options.named] the worker gets the name that it should have
 * @param {string} [options.script] for the worker's module, as its query
 * @param {'shared-worker' | 'elected-tab' | 'in-page'} [options.host] else as the address says
 * @param {boolean} [options.elected] one of the tabs is to have the host, however the address says
 * @param {boolean} [options.firstLook] documents are shown before there is a host
 * @param {boolean} [options.asksUrls] the url is a function; `urlCalls` counts its calls
 */
async function open({
  ids,
  durable = true,
  store,
  namespace = 'lab',
  elected,
  firstLook,
  asksUrls,
  ...given
}) {
  const { path = '/sharedb', worker = 'worker', script = '', named } = given;
  const { name = `lab ${namespace}` } = given;
  let { host = query.get('host') ?? 'shared-worker' } = given;
  if (elected && host === 'shared-worker') host = 'elected-tab';
  // The worker that encrypts is the only one that knows how.
  store ??= worker === 'sealed-worker' ? true : { encrypt: false };
  const url = new URL(path, location.href).href;
  globalThis.urlCalls = 0;
  const giveUrl = async () => `${url}?token=${++globalThis.urlCalls}`;
  const module = new URL(`./${worker}.js${script}`, import.meta.url);
  const connection = createConnection({
    url: asksUrls ? giveUrl : url,
    useSharedWorker: host === 'shared-worker',
    worker: (wanted) => new SharedWorker(module, { type: 'module', name: named ? wanted : name }),
    dedicatedWorker:
      host !== 'in-page' &&
      ((wanted) => new Worker(module, { type: 'module', name: named ? wanted : name })),
    durableStore: durable && store,
    namespace,
    firstLook,
  });
  const errors = [];
  connection.on('error', (error) => {
    errors.push(error.code);
    report('error', '', String(error.stack));
  });
  const docs = {};
  for (const id of ids) {
    docs[id] = connection.get(COLLECTION, id);
    docs[id].on('op', (op, source) => source || reportSeen(op));
  }
  const opened = Promise.all(Object.values(docs).map(isThere));
  return { connection, docs, opened, errors };
}

function isThere(doc) {
  return new Promise((resolve, reject) => {
    // With the server away that is all that comes.
    doc.once('load', () => doc.type && resolve());
    const look = () =>
      doc.subscribe((error) => {
        if (error) reject(error);
        else if (doc.type) resolve();
        // Another tab was faster, or a store was given up that may have it or not.
        else doc.create(structuredClone(EMPTY), (failure) => (failure ? look() : resolve()));
      });
    look();
  });
}

/** The markers in an op. */
const markersIn = (op) =>
  op.flatMap(({ p, li, oi }) => {
    if (li !== undefined) return [li];
    return oi === undefined ? [] : [p[1]];
  });

function reportSeen(op) {
  for (const marker of markersIn(op)) report('seen', marker);
}

/** Submits one edit; resolves with the error of its callback, if there was one. */
function submit(doc, marker) {
  const { list } = doc.data;
  const at = Math.floor(Math.random() * (list.length + 1));
  const op = Math.random() < 0.7 ? { p: ['list', at], li: marker } : { p: ['keys', marker], oi: 1 };
  return new Promise((resolve) => {
    report('submitted', marker);
    doc.submitOp([op], (error) => {
      report(error ? 'failed' : 'acknowledged', marker, error && `${error.code}: ${error.message}`);
      resolve(error);
    });
  });
}

/** Submits edits, marked `name.0` and so on, one every few milliseconds on any of the documents. */
async function edit({ docs }, name, count, pauseMs) {
  const all = Object.values(docs);
  for (let n = 0; n < count; n += 1) {
    submit(all[Math.floor(Math.random() * all.length)], `${name}.${n}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** From now on, reports what the documents have shown and show no more. No edit of the lab takes anything out. */
function watch({ docs }) {
  const watchDocument = (doc) => {
    const shown = new Set();
    const look = () => {
      const { list = [], keys = {} } = doc.data ?? {};
      const shows = new Set([...list, ...Object.keys(keys)]);
      for (const marker of shown) {
        if (shows.has(marker)) continue;
        shown.delete(marker);
        report('takenBack', marker);
      }
      for (const marker of shows) shown.add(marker);
    };
    for (const event of ['op', 'create', 'del', 'load']) doc.on(event, look);
    setInterval(look, 1);
  };
  Object.values(docs).forEach(watchDocument);
}

/**
 * Kills the worker, which is one that dies when it is told so, after the next edit of another tab is shown. Until then
 * `demo.killed` is nothing, and then the milliseconds in between.
 */
function killOnSight(demo, name, delayMs) {
  demo.killed = null;
  demo.disarm?.();
  const kill = (begin) => {
    new BroadcastChannel(name).postMessage('die');
    demo.killed = performance.now() - begin;
  };
  const see = (op, source) => {
    if (source) return;
    demo.disarm();
    const begin = performance.now();
    if (delayMs) setTimeout(kill, delayMs, begin);
    else kill(begin);
  };
  const docs = Object.values(demo.docs);
  demo.disarm = () => docs.forEach((doc) => doc.removeListener('op', see));
  for (const doc of docs) doc.on('op', see);
}

/** Waits until what was submitted is written; gives the error, if it could not be. */
const flush = ({ connection }) => new Promise((done) => connection.flushWrites(done));

/** What the host says of its store; nothing before it has said so. */
const storage = ({ connection }) =>
  connection.storage.mode === 'none' ? null : connection.storage;

/** Gives the page's json0 the subtype `text`. */
const registerText = () => types.map.json0.registerSubtype(otText.type);

/** Whether the host is in this page, or in its own worker, and has taken this tab. */
function hasHost({ connection }) {
  const { _road: road, _waiting: waiting } = connection._link;
  return waiting === null && ['local', 'dedicated'].includes(road?.kind);
}

globalThis.lab = {
  registerText,
  hasHost,
  installTraps,
  open,
  edit,
  submit,
  flush,
  storage,
  killOnSight,
  mirror,
  IndexedDbStorage,
};

const ids = query.getAll('doc');
if (ids.length) {
  const opened = await open({
    ids,
    durable: query.get('store') !== 'session',
    namespace: query.get('namespace') ?? undefined,
    worker: query.get('worker') ?? undefined,
    asksUrls: query.has('urls'),
  });
  globalThis.demo = { ...opened, doc: opened.docs[ids[0]] };
  await opened.opened;
  if (query.has('watched')) watch(opened);
}
document.body.dataset.ready = '';
