/** The race: the same ops through the stock client and through this one, each with as many tabs, side by side. */
import { median, Side } from './race-side.js';

/** Between two ops of the same side, in milliseconds: slow enough that none waits for the one before. */
const PAUSE_MS = 150;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** In the order of the columns. */
const CLIENTS = ['stock', 'proxy'];

const start = document.querySelector('#start');
/** What runs now; a new object for each race. */
let race = null;

document.querySelector('#course').addEventListener('submit', (event) => {
  event.preventDefault();
  if (race) return stop();
  const tabs = Number(document.querySelector('#tabs').value);
  const delay = Number(document.querySelector('#delay').value);
  const id = crypto.randomUUID();
  race = { sides: CLIENTS.map((client) => new Side(client, id, tabs, delay)) };
  start.textContent = 'Stop';
  const mine = race;
  // What fails in a race that was stopped was closed by that.
  run(mine).catch((error) => race === mine && report(error));
});
for (const choice of document.querySelectorAll('#course select'))
  choice.addEventListener('change', stop);
window.demo = { sides: () => race?.sides };

function stop() {
  for (const side of race?.sides ?? []) side.close();
  race = null;
  start.textContent = 'Start';
}

async function run(mine) {
  const { sides } = mine;
  for (const side of sides) await side.open();
  const before = await traffic();
  while (race === mine) {
    for (const side of sides) {
      await side.once();
      await pause(PAUSE_MS);
      if (race !== mine) return;
    }
    show(sides, before, await traffic());
  }
}

async function traffic() {
  return (await fetch('/admin/traffic')).json();
}

function show(sides, before, now) {
  fill(
    'latency',
    sides.map(({ latest }) => median(latest)),
    milliseconds,
  );
  fill(
    'worst',
    sides.map(({ latest }) => Math.max(...latest)),
    milliseconds,
  );
  fill(
    'sockets',
    sides.map(({ name }) => now[name].sockets),
    String,
  );
  const bytes = sides.map(({ name, ops }) => (sum(now[name]) - sum(before[name])) / ops);
  fill('bytes', bytes, (number) => Math.round(number).toLocaleString('en'));
  fill(
    'ops',
    sides.map(({ ops }) => ops),
    String,
  );
}

const sum = ({ received, sent }) => received + sent;
const milliseconds = (number) => `${number.toFixed(1)} ms`;

/** A row: each side's figure, and a bar for it where that is a comparison. */
function fill(row, figures, inWords) {
  const most = Math.max(...figures);
  const cells = document.querySelectorAll(`[data-row="${row}"] td`);
  for (const [i, cell] of cells.entries()) {
    cell.textContent = inWords(figures[i]);
    if (row !== 'ops') cell.style.setProperty('--share', figures[i] / most);
  }
}

function report(error) {
  console.error(error);
  stop();
  const line = document.querySelector('#problem');
  line.hidden = false;
  line.textContent = error.message;
}
