import { readFile } from 'node:fs/promises';
import type { Plugin } from 'esbuild';

/** What the Express routers answer with or are sent. */
const used = [
  'application/json',
  'application/x-www-form-urlencoded',
  'text/html',
  'text/plain',
  'application/octet-stream',
];

/**
 * Express knows nine thousand media types by file name, for serving files, and makes maps of them when it is loaded: 4.5 MB of
 * resident memory. The bundle keeps those that are used.
 */
export function fewMediaTypes(): Plugin {
  return {
    name: 'few-media-types',
    setup(build) {
      build.onLoad({ filter: /[\\/]mime-db[\\/]db\.json$/ }, async ({ path }) => {
        const all = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
        return { contents: JSON.stringify(Object.fromEntries(used.map((type) => [type, all[type]]))), loader: 'json' };
      });
    },
  };
}
