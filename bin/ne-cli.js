#!/usr/bin/env node
// From a checkout the sources run as they are. The compile cache keeps their stripped and compiled form, which saves
// a third of the start-up time and the 17 MB that the type stripper itself occupies.
import { enableCompileCache } from 'node:module';

enableCompileCache(new URL('../node_modules/.cache/ne-registry', import.meta.url).pathname);
await import('../src/cli/main.ts');
