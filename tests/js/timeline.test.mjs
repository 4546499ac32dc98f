/** The debug console's timeline, made of recorded traces. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Timeline } from '../../js-shim/src/devtools/timeline.js';

const read = (name) => readFileSync(new URL(`../traces/${name}.json`, import.meta.url), 'utf8');

const about = ({ tab, name, what, outcome }) => [tab, name, what, outcome].join(' ');
const stepsOf = ({ steps }) => steps.map(({ name }) => name);

describe('timeline', () => {
  it('follows each op from the tab to the server and back', () => {
    const timeline = new Timeline();
    timeline.read(read('two-tabs'));
    const ops = timeline.rows.filter(({ name }) => name === 'doc.submitOp');
    assert.ok(ops.length >= 6);
    for (const row of ops) {
      assert.equal(row.outcome, 'acknowledged', about(row));
      const at = row.steps.map((step) => step.at);
      assert.deepEqual(
        at,
        at.toSorted((a, b) => a - b),
      );
    }
    const [first] = ops.slice(-1);
    assert.equal(about(first), 'one doc.submitOp letters/plain #1 acknowledged');
    assert.deepEqual(stepsOf(first), ['taken', 'accepted', 'sent', 'server', 'answered']);
  });

  it('has requests, too, and names the one tab of a host in a page', () => {
    const timeline = new Timeline();
    timeline.read(read('page-host'));
    const subscribe = timeline.rows.find(({ name }) => name === 'doc.subscribe');
    assert.equal(subscribe.outcome, 'answered');
    const op = timeline.rows.find(({ name }) => name === 'doc.submitOp');
    assert.equal(op.tab, subscribe.tab);
    assert.equal(op.outcome, 'acknowledged');
  });

  it('reads on where it has stopped, and begins anew with another host', () => {
    const [whole, parts] = [new Timeline(), new Timeline()];
    const text = read('two-tabs');
    whole.read(text);
    const trace = JSON.parse(text);
    const [life] = trace.lives;
    const part = (first, end) => {
      const entries = life.entries.slice(first, end);
      return JSON.stringify({ lives: [{ ...life, first, entries }] });
    };
    parts.read(part(0, 40));
    // What it has already is in it again.
    parts.read(part(20, undefined));
    assert.deepEqual(parts.rows, whole.rows);
    life.options.epoch += 1;
    parts.read(part(0, 10));
    assert.equal(parts.rows.length, 0);
  });
});
