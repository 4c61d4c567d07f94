/** Copies one image in a process of its own, and says how much memory that took: `FROM TO REPOSITORY TAG AT-ONCE`. */
import { readFileSync } from 'node:fs';
import { useLittleMemory } from '../../../src/platform/settle.ts';
import { copyImage } from '../../../src/transfer/copy/copy-image.ts';
import { RegistryImage } from '../../../src/transfer/image/registry-image.ts';
import { RegistryClient } from '../../../src/transfer/registry/client.ts';
import { Hosts } from '../../../src/transfer/registry/hosts.ts';

useLittleMemory();
const [from = '', to = '', repository = '', tag = '', atOnce = ''] = process.argv.slice(2);
const hosts = new Hosts({ transfers: Number(atOnce) });
const credentials = async (host: string) =>
  process.env[`PASSWORD_${host.split(':')[1]}`] === undefined
    ? undefined
    : { username: 'tester', password: process.env[`PASSWORD_${host.split(':')[1]}`] as string };
const image = (host: string) => new RegistryImage(new RegistryClient(host, { credentials, hosts }), repository);
const started = performance.now();
const cpu = process.cpuUsage();
const { bytes } = await copyImage({
  source: image(from),
  target: image(to),
  image: tag,
  tag,
  concurrency: Number(atOnce),
  signal: new AbortController().signal,
});
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(cpu);
const peakBytes = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
hosts.close();
console.log(JSON.stringify({ bytes, seconds, cpuSeconds: (user + system) / 1e6, peakBytes }));
