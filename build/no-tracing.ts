import type { Plugin } from 'esbuild';

/** prom-client loads OpenTelemetry's interface (60 KB) for exemplars, which nobody here turns on. The bundle has nothing in its place. */
export function noTracing(): Plugin {
  return {
    name: 'no-tracing',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^@opentelemetry\/api$/ }, ({ path, importer }) =>
        /[\\/]node_modules[\\/]prom-client[\\/]/.test(importer) ? { path, namespace: 'no-tracing' } : undefined,
      );
      onLoad({ filter: /./, namespace: 'no-tracing' }, () => ({ contents: 'module.exports = {};', loader: 'js' }));
    },
  };
}
