/**
 * The memory of a registry that replicates sixteen large layers at once: pulls them into its own storage, pushes them out of it, and
 * copies them from one foreign registry to another. Usage: `node test/bench/sixteen-layers.ts [MEGABYTES]` (1000 unless given; the
 * disk needs room for sixteen of them). Everything is on the loopback interface; the registry runs as the image does.
 *
 * Three hosts at each end: blobs in flight with one host are limited, and the bound is about all of them at once.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { bundle } from '../../build/bundle.ts';
import { self, startSite, until } from '../integration/replication/lab.ts';

const megabytes = Number(process.argv[2] ?? 1000);
const parts = [6, 5, 5];
const bound = 150 * 1024 * 1024;
const children: ChildProcess[] = [];

async function endless(layers: number, first: number): Promise<string> {
  const args = [join(import.meta.dirname, 'peers/endless.ts'), layers, first, megabytes].map(String);
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [port] = await once(createInterface(child.stdout), 'line');
  return `127.0.0.1:${port}`;
}

const dist = mkdtempSync(join(tmpdir(), 'ne-sixteen-'));
await bundle(dist);
const site = await startSite({ bundle: dist });
const { pid } = site.server;
const cpuSeconds = () => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
};
const highest = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
const insecure = (host: string) => ({ host, insecure: true });

/** Has rules carried out, one for each part, and says what it took. */
async function measure(
  what: string,
  ends: readonly { source: string; target: string; arrived(): Promise<boolean> }[],
): Promise<void> {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  const began = { at: performance.now(), cpu: cpuSeconds() };
  for (const [index, { source, target }] of ends.entries()) {
    const hosts = [source, target].map((place) => place.split('/')[0] ?? '').filter((host) => host !== self.host);
    const rule = { source, targets: [target], transfer: { concurrency: 16 } };
    await site.rule(`${what}-${index}`, rule, [self, ...hosts.map(insecure)]);
  }
  for (const { arrived } of ends) await until(what, arrived, 600_000);
  const seconds = (performance.now() - began.at) / 1000;
  const [peak, cpu] = [highest(), cpuSeconds() - began.cpu];
  const speed = ((16 * megabytes) / seconds).toFixed(0);
  const verdict = peak <= bound ? 'held' : 'BROKEN';
  console.log(
    `${what}: ${(peak / 1024 / 1024).toFixed(1)} MiB at most (${verdict}), ${seconds.toFixed(1)} s, ${speed} MiB/s, ${cpu.toFixed(1)} s of processor`,
  );
  for (const index of ends.keys()) await site.request('DELETE', `/admin/v1/rules/replication/${what}-${index}`);
}

const at = async (host: string, path: string) => {
  const { status } = await fetch(`http://${host}/v2/${path}/manifests/1`, { method: 'HEAD' });
  return status === 200;
};

try {
  const first = (index: number) => parts.slice(0, index).reduce((sum, count) => sum + count, 0);
  const sources = await Promise.all(parts.map((count, index) => endless(count, first(index))));
  const sinks = await Promise.all(parts.map(() => endless(0, 0)));
  const each = <T>(make: (index: number, source: string, sink: string) => T) =>
    parts.map((_, index) => make(index, sources[index] ?? '', sinks[index] ?? ''));
  await measure(
    'pull',
    each((index, source) => ({
      source: `${source}/layers/app`,
      target: `${self.host}/pulled/part-${index}`,
      arrived: async () => (await site.tag(`pulled/part-${index}`, '1')) !== undefined,
    })),
  );
  await measure(
    'push',
    each((index, _source, sink) => ({
      source: `${self.host}/pulled/part-${index}`,
      target: `${sink}/pushed/app`,
      arrived: () => at(sink, 'pushed/app'),
    })),
  );
  const others = await Promise.all(parts.map(() => endless(0, 0)));
  await measure(
    'between',
    each((index, source) => ({
      source: `${source}/layers/app`,
      target: `${others[index]}/copied/app`,
      arrived: () => at(others[index] ?? '', 'copied/app'),
    })),
  );
} finally {
  for (const child of children) child.kill();
  await site.server.discard();
  rmSync(dist, { recursive: true, force: true });
}
