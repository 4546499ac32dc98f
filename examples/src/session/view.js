/** What the page shows. It looks at the coordinator, and holds nothing itself. */
import { locks, roleOf } from './about.js';
import { tabs } from './coordinator.js';
import { short } from './log.js';

const HOST_NAMES = {
  'shared-worker': 'Shared worker',
  'elected-tab': 'Elected tab',
  'in-page': 'In this page',
};

const PHASES = {
  active: 'until all tabs time out',
  warned: 'all tabs are warned: do something',
  expired: 'all tabs timed out',
};

/** @param {{term: number, phase: string | undefined, tick: number | undefined}} seen what only events tell */
export function draw({ term, phase, tick }) {
  const { host, session, bundle, idleLeft } = tabs;
  fill('host', HOST_NAMES[host?.kind] ?? 'starting');
  fill('reason', [host?.reason, ...tabs.limits].join(' '));
  fill('id', short(tabs.tabId));
  fill('role', tabs.role);
  fill('leader', tabs.isLeader ? 'this tab' : short(tabs.leader));
  fill('term', `term ${term}`);
  fill('user', session.id ?? 'logged out');
  fill('epoch', `session ${session.epoch}`);
  fill('left', idleLeft === undefined ? '–' : `${Math.ceil(idleLeft / 1000)} s`);
  fill('phase', PHASES[phase] ?? 'not started');
  document.querySelector('#strip').dataset.phase = phase ?? '';

  text('#count', bundle?.snapshot?.count ?? 0);
  text('#greeting', bundle?.config?.greeting ?? '–');
  text('#version', bundle?.version ?? '–');

  const { state, lastError } = tabs.state.signalRConnection ?? { state: 'starting' };
  text('#stream', lastError ? `${state}: ${lastError.message}` : state);
  text('#tick', tick ?? '–');
  enable('#say', state !== 'disconnected');

  rows('#tabs', tabs.tabs.map(tabRow));
  rows('#locks', locks().map(lockRow), 'Nobody holds a lock.');

  const isIn = session.id !== undefined;
  show('#login', !isIn);
  show('#logout', isIn);
  show('#idle', isIn && phase === 'expired');
  enable('#resign', tabs.isLeader);
  enable('#cross', tabs.connectedTabs.size > 1);
  // A page cannot be killed by another one.
  enable('#kill', host?.place !== 'page');
}

const yes = (value) => (value ? 'yes' : '–');

function tabRow({ id, score, visible, focused, frozen }) {
  const cells = [short(id), roleOf(id), score, yes(visible), yes(focused), yes(frozen)];
  return { cells, isMine: id === tabs.tabId };
}

const lockRow = ({ name, holder, token, queue }) => ({
  cells: [name, short(holder), token ?? '–', queue.map(short).join(', ') || '–'],
  isMine: holder === tabs.tabId,
});

const fill = (name, value) => text(`[data-cell="${name}"]`, value);

function text(selector, value) {
  const element = document.querySelector(selector);
  if (element.textContent !== String(value)) element.textContent = value;
}

function show(selector, isShown) {
  document.querySelector(selector).hidden = !isShown;
}

function enable(selector, isEnabled) {
  document.querySelector(selector).disabled = !isEnabled;
}

function rows(selector, list, ifEmpty = '') {
  const body = document.querySelector(selector);
  const shown = JSON.stringify(list);
  if (body.dataset.shown === shown) return;
  body.dataset.shown = shown;
  body.replaceChildren(...list.map(row));
  if (list.length > 0) return;
  const cell = body.insertRow().insertCell();
  cell.colSpan = 9;
  cell.className = 'aside';
  cell.textContent = ifEmpty;
}

function row({ cells, isMine }) {
  const element = document.createElement('tr');
  element.classList.toggle('mine', isMine);
  for (const value of cells) element.insertCell().textContent = value;
  return element;
}
