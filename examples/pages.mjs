/** What the demos' servers have in common: the built pages, and answers in JSON. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { extname, join, normalize, sep } from 'node:path';

const CONTENT_TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/** A page of another site may send requests here, but may not switch anything. */
export function isFromElsewhere({ method, headers: { origin, host } }) {
  return method === 'POST' && origin !== undefined && new URL(origin).host !== host;
}

/** Answers a request with JSON. */
export const sendJson = (response, status, body) => {
  response.writeHead(status, {
    'content-type': CONTENT_TYPES['.json'],
    'cache-control': 'no-store',
  });
  response.end(JSON.stringify(body));
};

/** The file a path stands for, or null when there is none inside `root`. `/text` finds `text.html`. */
async function findFile(root, pathname) {
  const inside = normalize(join(root, decodeURIComponent(pathname)));
  if (!inside.startsWith(root.endsWith(sep) ? root : root + sep) || inside.includes('\0'))
    return null;
  for (const path of pathname.endsWith('/')
    ? [join(inside, 'index.html')]
    : [inside, `${inside}.html`]) {
    const found = await stat(path).catch(() => null);
    if (found?.isFile()) return path;
  }
  return null;
}

/**
 * Answers a request for a page or what belongs to it. `root` is the directory of the built pages, which `reloading` has load
 * anew where that is wanted.
 *
 * @param {import('./reloading.mjs').Reloading} [reloading]
 */
export async function answerFile(root, request, response, url, reloading) {
  const path = ['GET', 'HEAD'].includes(request.method) ? await findFile(root, url.pathname) : null;
  if (!path) {
    const hint = (await findFile(root, '/'))
      ? 'Not found.\n'
      : 'The pages are not built yet: npm run build -w examples\n';
    response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' });
    return response.end(hint);
  }
  // The bundler puts a hash of the content into the names of the assets, never of the pages.
  const cache = url.pathname.startsWith('/assets/')
    ? 'public, max-age=31536000, immutable'
    : 'no-cache';
  response.writeHead(200, {
    'content-type': CONTENT_TYPES[extname(path)] ?? 'application/octet-stream',
    'cache-control': cache,
    'x-content-type-options': 'nosniff',
  });
  if (request.method === 'HEAD') return response.end();
  if (reloading && extname(path) === '.html') return response.end(await reloading.page(path));
  createReadStream(path)
    .on('error', () => response.destroy())
    .pipe(response);
}
