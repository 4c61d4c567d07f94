import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../e2e/cluster/command.ts';
import { type GoTool, goTool } from '../../e2e/cluster/tools.ts';
import { freePort } from '../../programs/port.ts';
import { Program } from '../process.ts';

/** A network namespace of the bench's own, and the one link that leads there. */
export interface Line {
  /** To start programs there. */
  readonly namespace: string;
  /** Of the far end. */
  readonly address: string;
  /** Bytes that the kernel has carried over it so far, in both directions. */
  carried(): Promise<number>;
  /** Puts the delaying program in front of `host`, which is at the far end. */
  delayed(host: string, folder: string): Promise<{ readonly host: string; stop(): Promise<void> }>;
  close(): Promise<void>;
}

export interface LineOptions {
  /** As tc(8) writes it, for example `100mbit`; as fast as the machine unless given. */
  readonly rate?: string;
  /** Milliseconds, one way. */
  readonly delayMs?: number;
}

const delayer: GoTool = {
  name: 'bench-delay',
  version: '1',
  sources: { 'main.go': readFileSync(join(import.meta.dirname, '../client/delay.go'), 'utf8') },
};

/** Makes both ends and the rate (tc-tbf(8)); needs root. The caller closes it. */
export async function openLine({ rate, delayMs = 25 }: LineOptions = {}): Promise<Line> {
  const program = await goTool(delayer);
  const namespace = `ne-bench-${process.pid}`;
  const [near, far] = [`neb${process.pid}`, 'far'];
  const network = `10.231.${process.pid % 250}`;
  const address = `${network}.2`;
  const close = async () => {
    await ip('netns', 'del', namespace).catch(() => undefined);
  };
  try {
    await ip('netns', 'add', namespace);
    await ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', namespace);
    await ip('addr', 'add', `${network}.1/30`, 'dev', near);
    await ip('-n', namespace, 'addr', 'add', `${address}/30`, 'dev', far);
    for (const [place, device] of [
      [[], near],
      [['-n', namespace], far],
      [['-n', namespace], 'lo'],
    ] as const)
      await ip(...place, 'link', 'set', device, 'up');
    if (rate !== undefined) {
      const shape = ['qdisc', 'add', 'dev'];
      const as = ['root', 'tbf', 'rate', rate, 'burst', '128kb', 'latency', '100ms'];
      await run('tc', [...shape, near, ...as]);
      await run('tc', ['-n', namespace, ...shape, far, ...as]);
    }
  } catch (error) {
    await close();
    throw error;
  }
  const count = async (which: string) =>
    Number(await readFile(`/sys/class/net/${near}/statistics/${which}_bytes`, 'utf8'));
  return {
    namespace,
    address,
    close,
    carried: async () => (await count('tx')) + (await count('rx')),
    async delayed(host, folder) {
      const listen = `${address}:${await freePort()}`;
      const args = ['-listen', listen, '-to', host, '-delay', `${delayMs}ms`];
      const started = new Program(program, args, { logFile: join(folder, 'delay.log'), namespace });
      return { host: listen, stop: () => started.stop() };
    },
  };
}

async function ip(...args: readonly string[]): Promise<string> {
  return await run('ip', args);
}
