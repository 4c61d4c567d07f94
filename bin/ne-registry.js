#!/usr/bin/env node
// From a checkout the sources run as they are. Memory is a feature, and part of it is decided before a program's first line,
// so the process replaces itself once by one with the right settings; its number stays the same. The compile cache keeps
// stripped sources, and with them the 17 MB of the type stripper out of all runs but the first; worker threads find it only
// by the environment.
import { fileURLToPath } from 'node:url';
import { environment, flags } from './settings.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
process.execve(
  process.execPath,
  [
    process.execPath,
    ...flags,
    '--disable-warning=ExperimentalWarning',
    here('../src/main.ts'),
    ...process.argv.slice(2),
  ],
  { NODE_COMPILE_CACHE: here('../node_modules/.cache/ne-registry'), ...environment, ...process.env },
);
