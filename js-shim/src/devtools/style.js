/** The panel's style sheet. It is in a shadow root: the page's rules do not reach it, nor its rules the page. */

export const STYLE = `
:host {
  all: initial;
  color-scheme: light dark;
  --paper: light-dark(#ffffff, #16191d);
  --raised: light-dark(#f3f5f7, #1f242a);
  --line: light-dark(#d8dde3, #343b44);
  --ink: light-dark(#1b2128, #e4e8ec);
  --muted: light-dark(#5d6874, #96a1ad);
  --accent: light-dark(#0b62b8, #74b5f5);
  --good: light-dark(#187a41, #6fcf97);
  --warn: light-dark(#a34a00, #f0a860);
  --bad: light-dark(#b3232b, #ff8f8f);
  --step-taken: light-dark(#8ba3bd, #5d7590);
  --step-accepted: light-dark(#4c8fd0, #4f8fd0);
  --step-sent: light-dark(#d99a3f, #c98b36);
  --step-server: light-dark(#35a06a, #46b07a);
  display: block;
  font: 13px/1.45 system-ui, 'Segoe UI', Roboto, 'Noto Sans', sans-serif;
  color: var(--ink);
}
:host([floating]) { position: fixed; inset: auto 12px 12px auto; z-index: 2147483000; }
* { box-sizing: border-box; }
button, select { font: inherit; color: inherit; }
button {
  padding: 3px 9px; border: 1px solid var(--line); border-radius: 6px; background: var(--paper);
  cursor: pointer; white-space: nowrap;
}
button:hover:not(:disabled) { border-color: var(--accent); }
button:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
button:disabled { opacity: .5; cursor: default; }
button.danger { color: var(--bad); }
.pill { border-radius: 999px; padding: 5px 12px; box-shadow: 0 2px 10px rgb(0 0 0 / 25%); font-weight: 600; }
.panel {
  display: flex; flex-direction: column; background: var(--paper); border: 1px solid var(--line);
  border-radius: 10px; overflow: hidden;
}
:host([floating]) .panel {
  width: min(760px, calc(100vw - 24px)); height: min(560px, calc(100vh - 24px));
  box-shadow: 0 8px 40px rgb(0 0 0 / 30%);
}
:host(:not([floating])) .panel { min-height: calc(100vh - 24px); }
header { display: flex; flex-wrap: wrap; gap: 6px 10px; align-items: center; padding: 8px 10px; background: var(--raised); border-bottom: 1px solid var(--line); }
header strong { font-size: 14px; }
header .grow { flex: 1 1 auto; }
nav { display: flex; gap: 2px; padding: 6px 10px 0; border-bottom: 1px solid var(--line); overflow-x: auto; }
nav button { flex: none; border: 0; border-bottom: 2px solid transparent; border-radius: 0; background: none; padding: 4px 10px 6px; color: var(--muted); }
nav button[aria-selected='true'] { color: var(--ink); border-color: var(--accent); font-weight: 600; }
.actions { display: flex; flex-wrap: wrap; gap: 6px; padding: 8px 10px; border-bottom: 1px solid var(--line); background: var(--raised); }
.actions label { display: flex; gap: 4px; align-items: center; color: var(--muted); }
.notice { padding: 4px 10px; color: var(--muted); border-bottom: 1px solid var(--line); }
.notice.bad { color: var(--bad); }
main { flex: 1 1 0; min-height: 180px; overflow: auto; padding: 10px; }
h2 { font-size: 12px; margin: 12px 0 4px; text-transform: uppercase; letter-spacing: .04em; color: var(--muted); }
h2:first-child { margin-top: 0; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 8px 14px; margin: 0; }
dt { color: var(--muted); font-size: 12px; }
dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; color: var(--muted); font-size: 12px; }
th, td { padding: 3px 16px 3px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
code, .mono { font: 12px/1.4 ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; overflow-wrap: anywhere; }
.muted { color: var(--muted); } .good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); }
.tag { display: inline-block; padding: 0 6px; border-radius: 4px; background: var(--raised); border: 1px solid var(--line); font-size: 12px; }
.row { display: grid; grid-template-columns: 84px minmax(120px, 1fr) minmax(120px, 1.2fr) 170px; gap: 2px 10px; align-items: center; padding: 4px 0; border-bottom: 1px solid var(--line); }
.bar { display: flex; height: 10px; min-width: 2px; border-radius: 3px; overflow: hidden; background: var(--raised); }
.bar i { display: block; min-width: 1px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 14px; margin-bottom: 6px; color: var(--muted); font-size: 12px; }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 4px; }
.taken { background: var(--step-taken); } .accepted { background: var(--step-accepted); }
.sent { background: var(--step-sent); } .server { background: var(--step-server); }
.latency { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.steps { grid-column: 2 / -1; color: var(--muted); font-size: 12px; }
td code { white-space: nowrap; }
@media (max-width: 560px) {
  nav button { padding: 4px 6px 6px; }
  th, td { white-space: nowrap; }
  .row { grid-template-columns: 1fr auto; }
  .row .when { order: 3; } .row .bar { grid-column: 1 / -1; order: 2; } .steps { grid-column: 1 / -1; order: 4; }
}
`;
