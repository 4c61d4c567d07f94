#!/usr/bin/env node
// From a checkout the sources run as they are. Memory is a feature, and part of it is decided before a program's first line:
// how V8 sizes its young generation, whether glibc gives back what it freed, and whether the 17 MB of the type stripper
// stay out because a run before left stripped sources in the compile cache (which worker threads only find by the
// environment). So the process replaces itself once by one with these settings; its number stays the same.
import { fileURLToPath } from 'node:url';
import { settings } from './settings.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const program = here('../src/main.ts');
const { flags, environment } = settings(here('../node_modules/.cache/ne-registry'));
process.execve(process.execPath, [process.execPath, ...flags, program, ...process.argv.slice(2)], {
  ...environment,
  ...process.env,
});
