/** The engines, and what is installed for each. */
import { existsSync } from 'node:fs';
import { Chromium } from './chromium.mjs';
import { Firefox } from './firefox.mjs';
import { WebKit } from './webkit.mjs';

/**
 * What a browser is started with.
 *
 * @typedef {object} Launch
 * @property {string} profile a directory: what the browser stored there before is there
 * @property {string} insecure a name for this machine, whose pages are not secure
 * @property {{problems: string[], said: string[]}} notes what must not happen and did, and what was said
 * @property {import('./wire.mjs').Wire} wire
 * @property {Record<string, string | number | boolean>} [preferences] more of Firefox's
 */

/** @type {Record<string, {launch: (launch: Launch) => Promise<any>, needs: string[], install: string}>} */
export const ENGINES = {
  chromium: {
    launch: Chromium.launch,
    needs: [process.env.CHROMIUM ?? '/usr/bin/chromium'],
    install: 'chromium',
  },
  firefox: {
    launch: Firefox.launch,
    needs: [process.env.FIREFOX ?? '/usr/bin/firefox-esr'],
    install: 'firefox-esr',
  },
  webkit: {
    launch: WebKit.launch,
    needs: [process.env.WEBKIT ?? '/usr/bin/WebKitWebDriver', '/usr/bin/Xvfb'],
    install: 'webkit2gtk-driver xvfb',
  },
};

/** Why an engine cannot be driven here, in one line; nothing where it can. */
export function missing(name) {
  const engine = ENGINES[name];
  if (!engine) return `there is no engine ${name}, only ${Object.keys(ENGINES).join(', ')}`;
  const lacks = engine.needs.filter((file) => !existsSync(file));
  if (!lacks.length) return undefined;
  return `${name} needs ${lacks.join(' and ')}: apt-get install --no-install-recommends ${engine.install}`;
}
