/**
 * Pages that load anew when their files change, for whoever works on them: each page gets a line of script that listens, and
 * hears when the files have been at rest for a moment.
 */
import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';

const PATH = '/admin/changes';
/** Milliseconds without a change after which a build is through. */
const REST_MS = 300;
/** Milliseconds after which a page that lost the server asks again: it is started anew, too. */
const RETRY_MS = 500;

/** The first message says when the server started: another start is a change as well. */
const SCRIPT = `<script>
  {
    let seen;
    new EventSource('${PATH}').onmessage = ({ data }) => {
      if (seen !== undefined && seen !== data) location.reload();
      seen = data;
    };
  }
</script>`;

export class Reloading {
  #listeners = new Set();
  #state = `${Date.now()}`;
  #timer;
  #watcher;

  /** @param {string} root the directory of the pages */
  constructor(root) {
    this.#watcher = watch(root, { recursive: true }, () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#tell(), REST_MS);
    });
  }

  #tell() {
    this.#state = `${Date.now()}`;
    for (const response of this.#listeners) this.#say(response);
  }

  #say(response) {
    response.write(`retry: ${RETRY_MS}\ndata: ${this.#state}\n\n`);
  }

  /**
   * Answers a page that listens.
   *
   * @returns {boolean} whether this was one
   */
  answer(request, response, { pathname }) {
    if (pathname !== PATH || request.method !== 'GET') return false;
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    this.#say(response);
    this.#listeners.add(response);
    response.on('close', () => this.#listeners.delete(response));
    return true;
  }

  /** @param {string} path of a page @returns {Promise<string>} the page, which listens */
  async page(path) {
    const html = await readFile(path, 'utf8');
    return html.replace('</head>', () => `${SCRIPT}</head>`);
  }

  close() {
    clearTimeout(this.#timer);
    this.#watcher.close();
    for (const response of this.#listeners) response.destroy();
  }
}
