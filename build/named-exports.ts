import type { Plugin } from 'esbuild';

/**
 * Gives `await import('package')` of a CommonJS package the names that Node gives it. Where code is split, the bundler
 * exports `default` alone for such a package, and `const { parse } = await import('yaml')` would be undefined.
 */
export function namedExports(): Plugin {
  return {
    name: 'named-exports',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^(@[^/]+\/)?[^./][^:]*$/ }, async ({ kind, path, resolveDir }) => {
        if (kind !== 'dynamic-import') return undefined;
        const names = await namesOf(path);
        return names === undefined
          ? undefined
          : { path, namespace: 'named-exports', pluginData: { names, resolveDir } };
      });
      onLoad({ filter: /./, namespace: 'named-exports' }, ({ path, pluginData }) => {
        const { names, resolveDir } = pluginData as { names: string[]; resolveDir: string };
        const exported = names.map((name) => `export const ${name} = all.${name};`);
        const contents = [
          `import * as all from ${JSON.stringify(path)};`,
          ...exported,
          'export default all.default ?? all;',
        ];
        return { contents: contents.join('\n'), loader: 'js', resolveDir };
      });
    },
  };
}

/** As Node sees them; undefined for a package that does not load by itself, which is then left as it is. */
async function namesOf(specifier: string): Promise<string[] | undefined> {
  const loaded = (await import(specifier).catch(() => undefined)) as object | undefined;
  if (loaded === undefined) return undefined;
  return Object.keys(loaded).filter((name) => name !== 'default' && /^[A-Za-z_$][\w$]*$/.test(name));
}
