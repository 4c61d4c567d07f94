import { copyFile, readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Plugin } from 'esbuild';

const LOADER = /require\((['"])node-gyp-build\1\)\([^;\n]*\)/;
/** Where the bundle runs: the platforms of the image. A checkout has all of them. */
const PLATFORMS = ['linux-x64', 'linux-arm64'];

/**
 * Copies the compiled parts of packages that look for them by node-gyp-build (bcrypt), as `PACKAGE-PLATFORM-ARCH-LIBC.node`
 * beside the bundle, and makes the package load that one file instead of searching.
 */
export function prebuiltAddons(folder: string): Plugin {
  return {
    name: 'prebuilt-addons',
    setup({ onLoad }) {
      onLoad({ filter: /node_modules\/[^/]+\/[^/]+\.js$/ }, async ({ path }) => {
        const source = await readFile(path, 'utf8');
        if (!LOADER.test(source)) return undefined;
        const name = basename(dirname(path));
        await copyPrebuilds(join(dirname(path), 'prebuilds'), name, folder);
        return { contents: source.replace(LOADER, loaderOf(name)), loader: 'js' };
      });
    },
  };
}

/** The name is computed in a way that the bundler does not follow. */
function loaderOf(name: string): string {
  const libc = `require('node:fs').existsSync('/etc/alpine-release') ? 'musl' : 'glibc'`;
  return `require(['./${name}', process.platform, process.arch, (${libc}) + '.node'].join('-'))`;
}

async function copyPrebuilds(from: string, name: string, to: string): Promise<void> {
  for (const platform of PLATFORMS) {
    for (const file of await readdir(join(from, platform))) {
      const libc = file.includes('musl') ? 'musl' : 'glibc';
      await copyFile(join(from, platform, file), join(to, `${name}-${platform}-${libc}.node`));
    }
  }
}
