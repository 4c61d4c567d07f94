/** Many large layers at once, in a process with the settings of the image: the memory does not grow with what passes through. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pushImage } from './images.ts';
import { clientOf, type Peer, registries } from './registries.ts';

const root = join(import.meta.dirname, '../../..');
/** The design's bound is for layers of a gigabyte, LAYER_MEGABYTES=1000 by hand; what counts is how many run at once. */
const layerBytes = Number(process.env.LAYER_MEGABYTES ?? 48) * 1_000_000;
const layers = 16;
const bound = 150 * 1_000_000;

describe('a process that copies sixteen large layers at once', () => {
  let source: Peer;
  let target: Peer;

  before(async () => {
    source = await (registries.distribution as () => Promise<Peer>)();
    target = await (registries.distribution as () => Promise<Peer>)();
    const sizes = Array.from({ length: layers }, () => layerBytes);
    await pushImage({ client: clientOf(source), repository: 'big/image' }, sizes, { tag: 'x' });
  });

  after(async () => {
    await source.stop();
    await target.stop();
  });

  it('stays within its memory', async () => {
    const { bytes, peakBytes, seconds, cpuSeconds } = await copied();
    const figures = `${peakBytes / 1e6} MB at most, ${bytes / 1e6 / seconds} MB/s, ${(cpuSeconds / bytes) * 1e9} s/GB`;
    if (process.env.LAYER_MEGABYTES !== undefined) console.log(figures);
    assert.ok(bytes >= layers * layerBytes);
    assert.ok(peakBytes <= bound, figures);
  });

  async function copied(): Promise<{ bytes: number; peakBytes: number; seconds: number; cpuSeconds: number }> {
    const settings: { flags: string[]; environment: NodeJS.ProcessEnv } = await import(join(root, 'bin/settings.js'));
    const program = join(import.meta.dirname, 'copy-process.ts');
    const args = [source.host, target.host, 'big/image', 'x', String(layers)];
    const child = spawn(process.execPath, [...settings.flags, program, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...settings.environment },
    });
    let output = '';
    child.stdout.on('data', (text: Buffer) => {
      output += text;
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    assert.equal(code, 0);
    return JSON.parse(output);
  }
});
