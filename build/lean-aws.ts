import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Plugin } from 'esbuild';

/**
 * Takes the AWS SDK as ES modules, so that what is not used is left out: its packages name their CommonJS form first. Node's
 * HTTP modules are taken as `src/platform/node-http.ts` takes them, because importing them as ES modules loads 16 MB.
 */
export function leanAws(): Plugin {
  return {
    name: 'lean-aws',
    setup({ onResolve, onLoad, resolve }) {
      onResolve({ filter: /^@(aws-sdk|smithy)\// }, async ({ path, importer, resolveDir, pluginData }) => {
        if (pluginData === resolving) return undefined;
        // As a plain import, also where it is loaded on demand.
        const found = await resolve(path, { importer, resolveDir, kind: 'import-statement', pluginData: resolving });
        if (found.errors.length > 0) return found;
        return { path: moduleForm(found.path), sideEffects: false };
      });
      onResolve({ filter: /^(node:)?https?2?$/ }, ({ path, importer }) =>
        /[\\/]node_modules[\\/]@(aws-sdk|smithy)[\\/]/.test(importer)
          ? { path: path.replace(/^(node:)?/, 'node:'), namespace: 'built-in' }
          : undefined,
      );
      onLoad({ filter: /./, namespace: 'built-in' }, ({ path }) => ({
        contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
        loader: 'js',
      }));
    },
  };
}

const resolving = Symbol('resolving');

/** The entry that `module` names, of a package whose `main` was found. */
function moduleForm(path: string): string {
  const folder = packageOf(path);
  const { main, module } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    main?: string;
    module?: string;
  };
  return module !== undefined && main !== undefined && join(folder, main) === path ? join(folder, module) : path;
}

function packageOf(path: string): string {
  let folder = dirname(path);
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}
