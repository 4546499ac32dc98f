/** The session demo: which tabs there are, which of them leads, who holds a lock, and what all of them share. */
import { hearAbout, tellAbout } from './session/about.js';
import { runChecks, takePart } from './session/checks.js';
import { IDLE, tabs } from './session/coordinator.js';
import { log, report, short } from './session/log.js';
import { TROUBLES, takeTrouble } from './session/troubles.js';
import { draw } from './session/view.js';

const USER = 'ada';
/** How often the countdown is shown, in milliseconds. */
const DRAW_MS = 200;

/** What only events tell. */
const seen = { term: 0, phase: undefined, tick: undefined };
// For a look from the browser's console, and for the browser tests.
window.demo = { tabs };

function listen() {
  tabs.on('error', report);
  tabs.on('join', ({ id }) => log(short(id), 'came'));
  tabs.on('leave', ({ id, crashed }) => log(short(id), crashed ? 'is gone' : 'left'));
  for (const event of ['visible', 'hidden', 'frozen', 'resumed'])
    tabs.on(event, ({ id }) => log(short(id), event));
  tabs.on('leader', ({ leader, isLeader, term }) => {
    seen.term = term;
    if (leader) log(isLeader ? 'this tab' : short(leader), `leads in term ${term}`);
  });
  tabs.on('config-sync', ({ config, sourceId }) =>
    log(short(sourceId), `set the greeting “${config.greeting}”`),
  );
  tabs.on('session', ({ id, epoch }) => log('session', `${id ?? 'nobody'}, epoch ${epoch}`));
  tabs.on('logout', () => log('session', 'ends'));
  tabs.on('logged out', () => {
    seen.phase = undefined;
    log('session', 'all tabs are logged out');
  });
  tabs.on('idle', ({ phase }) => {
    if (phase !== (seen.phase ?? 'active')) log('idle timer', phase);
    seen.phase = phase;
  });
  tabs.on('signalr', ({ state, lastError }) =>
    log('stream', lastError ? `${state}: ${lastError.message}` : state),
  );
  tabs.on('signalr_message', ({ payload: { target, arguments: words } }) => {
    if (target === 'tick') seen.tick = words[0];
    else log('stream', `says “${words[0]}”`);
  });
  tabs.on('gap', ({ signalR }) => signalR && log('stream', 'this tab missed some of it'));
  tabs.on('wake', ({ slept }) => log('this machine', `slept for ${Math.round(slept / 1000)} s`));
}

/** The leader writes the state. This runs in the leader, whichever tab asked. */
function decide() {
  tabs.handle('reset-request', async ({ add, greeting }) => {
    if (add) await tabs.setState((now) => ({ count: (now?.count ?? 0) + add }));
    else if (greeting) await tabs.setConfig({ greeting });
    else await tabs.setState({ count: 0 });
  });
}

async function logIn() {
  await tabs.setSession(USER);
  await tabs.idle(IDLE);
}

async function check() {
  const list = document.querySelector('#checks');
  const verdict = document.querySelector('#verdict');
  list.replaceChildren();
  verdict.textContent = `running among ${tabs.connectedTabs.size} tabs …`;
  const failed = [];
  await runChecks(({ name, isFine, seen }) => {
    if (!isFine) failed.push(name);
    const item = document.createElement('li');
    item.className = isFine ? 'fine' : 'failed';
    const [title, note] = [document.createElement('strong'), document.createElement('span')];
    title.textContent = name;
    note.textContent = seen;
    item.append(title, note);
    list.append(item);
  });
  verdict.textContent = failed.length ? `${failed.length} failed` : 'All passed';
}

/** By the ids of their buttons. */
const BUTTONS = {
  ...TROUBLES,
  check,
  login: logIn,
  logout: () => tabs.logout(),
  idle: () => tabs.idle(IDLE),
  add: () => tabs.requestReset({ add: 1 }),
  reset: () => tabs.requestReset({}),
  say: () => tabs.sendSignalR({ target: 'say', arguments: [`Hello from ${short(tabs.tabId)}`] }),
};

function wire() {
  for (const [id, press] of Object.entries(BUTTONS)) {
    const button = document.querySelector(`#${id}`);
    button.disabled = false;
    let isUnderWay = false;
    button.addEventListener('click', async () => {
      if (isUnderWay) return;
      isUnderWay = true;
      try {
        await press();
      } catch (error) {
        report(error);
      } finally {
        isUnderWay = false;
      }
    });
  }
  const form = document.querySelector('#settings');
  form.querySelector('button').disabled = false;
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const greeting = form.elements.text.value.trim();
    if (greeting) tabs.requestReset({ greeting }).catch(report);
    form.reset();
  });
  document.querySelector('#open').href = location.href;
}

listen();
hearAbout();
takePart();
takeTrouble();
decide();
try {
  await tabs.register();
  await logIn();
  wire();
  setInterval(() => {
    draw(seen);
    tellAbout();
  }, DRAW_MS);
  draw(seen);
  tellAbout();
  document.body.dataset.ready = '';
} catch (error) {
  report(error);
}
