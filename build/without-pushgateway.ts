import type { Plugin } from 'esbuild';

/**
 * prom-client loads its client of the push gateway and its aggregation over a cluster of processes, whoever uses it, and
 * with them Node's TLS, child process and datagram modules: 10 MB of resident memory for what is never called here.
 * In the bundle those two files are empty.
 */
export function withoutPushgateway(): Plugin {
  return {
    name: 'without-pushgateway',
    setup(build) {
      build.onLoad({ filter: /[\\/]prom-client[\\/]lib[\\/](pushgateway|cluster)\.js$/ }, () => ({
        contents: 'module.exports = undefined;',
        loader: 'js',
      }));
    },
  };
}
