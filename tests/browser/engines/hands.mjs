/**
 * A tab of an engine that speaks a W3C protocol: the pointer and the keys, whose actions WebDriver and WebDriver BiDi write alike.
 * What an engine has to bring is `evaluate(fn, argument)` and `perform(actions)`; and `activate()`, where keys that are no characters go
 * to the window that is in front.
 */
import { until } from '../../until.mjs';

/** What the protocols call the keys that are no characters. */
const KEYS = {
  Backspace: '\uE003',
  Enter: '\uE007',
  Shift: '\uE008',
  Control: '\uE009',
  End: '\uE010',
  Home: '\uE011',
  ArrowLeft: '\uE012',
  ArrowUp: '\uE013',
  ArrowRight: '\uE014',
  ArrowDown: '\uE015',
};

/** Actions that go to the browser at once, at most. */
const MOST_ACTIONS = 24;

/** In the page: the box of an element that is there and stands still; else nothing. */
async function boxOf(selector) {
  const element = document.querySelector(selector);
  if (!element) return null;
  const box = () => {
    const { x, y, width, height } = element.getBoundingClientRect();
    return { x, y, width, height };
  };
  element.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  const before = box();
  // Animations run with the frames.
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  const after = box();
  return after.width > 0 && JSON.stringify(before) === JSON.stringify(after) ? after : null;
}

/** In the page: keeps its process busy. */
export function work(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

export class TabWithHands {
  // ---- What is in the page ----

  /** The value of a field. */
  value(selector) {
    return this.#of(selector, 'value');
  }

  text(selector) {
    return this.#of(selector, 'textContent');
  }

  count(selector) {
    return this.evaluate((wanted) => document.querySelectorAll(wanted).length, selector);
  }

  #of(selector, property) {
    return this.evaluate(
      ([wanted, name]) => document.querySelector(wanted)[name],
      [selector, property],
    );
  }

  // ---- Keys ----

  /** Types a text, with milliseconds between the keys. */
  async type(text, { delay = 0 } = {}) {
    const keys = [...text].flatMap((value) => [
      { type: 'keyDown', value },
      { type: 'keyUp', value },
      ...(delay ? [{ type: 'pause', duration: delay }] : []),
    ]);
    // So that tabs that type at once take turns.
    for (let at = 0; at < keys.length; at += MOST_ACTIONS) {
      await this.#perform(keys.slice(at, at + MOST_ACTIONS));
    }
  }

  /** Presses a key, or several at once: `Control+z`; where it is to be pressed has the focus, or gets it. */
  async press(keys, selector = undefined) {
    await this.activate();
    if (selector) await this.focus(selector);
    await this.#keys(keys.split('+').map((key) => KEYS[key] ?? key));
  }

  async activate() {}

  focus(selector) {
    return this.evaluate((wanted) => document.querySelector(wanted).focus(), selector);
  }

  /** Down one after the other, and up again. */
  #keys(values) {
    const down = values.map((value) => ({ type: 'keyDown', value }));
    const up = values.toReversed().map((value) => ({ type: 'keyUp', value }));
    return this.#perform([...down, ...up]);
  }

  #perform(actions) {
    return this.perform([{ type: 'key', id: 'keys', actions }]);
  }

  /** Puts in a text at once, as from a clipboard. */
  insert(text) {
    return this.evaluate((given) => void document.execCommand('insertText', false, given), text);
  }

  /** Replaces the text of a field. */
  async fill(selector, text) {
    await this.focus(selector);
    await this.evaluate((wanted) => document.querySelector(wanted).select(), selector);
    await this.insert(text);
  }

  // ---- The pointer ----

  #box(selector) {
    return until(`${selector} stands still`, () => this.evaluate(boxOf, selector));
  }

  async click(selector) {
    await this.#point(await this.#middle(selector), [
      { type: 'pointerDown', button: 0 },
      { type: 'pointerUp', button: 0 },
    ]);
  }

  async hover(selector) {
    await this.#point(await this.#middle(selector), []);
  }

  async #middle(selector) {
    const { x, y, width, height } = await this.#box(selector);
    return [x + width / 2, y + height / 2];
  }

  /**
   * Drags what is at `from` to `to`; both are as far from the corner of the element as they say.
   *
   * @param {string} selector
   * @param {[number, number]} from
   * @param {[number, number]} to
   */
  async drag(selector, from, to) {
    const { x, y } = await this.#box(selector);
    const STEPS = 5;
    const steps = Array.from({ length: STEPS }, (_, step) => {
      const part = (step + 1) / STEPS;
      const at = (axis) => from[axis] + (to[axis] - from[axis]) * part;
      return moveTo([x + at(0), y + at(1)]);
    });
    await this.#point(
      [x + from[0], y + from[1]],
      [{ type: 'pointerDown', button: 0 }, ...steps, { type: 'pointerUp', button: 0 }],
    );
  }

  #point(place, then) {
    const actions = [moveTo(place), ...then];
    return this.perform([{ type: 'pointer', id: 'mouse', actions }]);
  }
}

const moveTo = ([x, y]) => ({
  type: 'pointerMove',
  x: Math.round(x),
  y: Math.round(y),
  duration: 0,
});
