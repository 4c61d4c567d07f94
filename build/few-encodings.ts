import type { Plugin } from 'esbuild';

/**
 * Express reads forms in any of two hundred character encodings, whose tables are half a megabyte of source, and several of
 * memory once the first form arrives. The bundle keeps Unicode; a form in anything else is answered with 415.
 */
export function fewEncodings(): Plugin {
  return {
    name: 'few-encodings',
    setup({ onLoad }) {
      onLoad({ filter: /[\\/]iconv-lite[\\/]encodings[\\/](sbcs|dbcs)-data(-generated)?\.js$/ }, () => ({
        contents: 'module.exports = {};',
        loader: 'js',
      }));
    },
  };
}
