/** Where several long blobs are sent at once, a thread helps; every byte gets to whom it belongs, and to nobody else. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { FilesystemStore } from '../../../src/registry/storage/filesystem.ts';
import { temporaryFolder, upload } from '../../contract/fixtures.ts';

const mebibyte = 1024 * 1024;
const content = randomBytes(80 * mebibyte + 4321);
const last = content.length - 1;
/** However slow the machine is, and however large the tests are. */
const help = { bytes: 1, mostResident: Number.POSITIVE_INFINITY };
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let blobs: FilesystemStore;
let key: string;

before(async () => {
  folder = await temporaryFolder();
  blobs = await FilesystemStore.open({ directory: folder.path, reserveBytes: 0, help });
  key = await upload(blobs, content);
  // The first reader makes the store look for the system's calls.
  await pull();
  await sleep(50);
});
after(async () => {
  await blobs.close();
  await folder.remove();
});

interface Link {
  readonly here: Socket;
  readonly there: Socket;
  close(): void;
}

/** Two ends of a connection over loopback. */
async function link(): Promise<Link> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const there = connect(port, '127.0.0.1');
  const [here] = (await once(server, 'connection')) as [Socket];
  server.close();
  for (const end of [here, there]) end.on('error', () => undefined);
  return { here, there, close: () => [here, there].forEach((end) => void end.destroy()) };
}

async function send(sink: Socket, from: number): Promise<void> {
  const reader = await blobs.open(key);
  try {
    await reader?.send(sink, from, last);
  } finally {
    await reader?.close();
  }
}

/** Reads until the end, with a pause after each piece that `pause` names; fails with the first byte that is not as it was pushed. */
async function read({ there }: Link, from: number, pause?: (piece: number) => number): Promise<number> {
  let [at, piece] = [from, 0];
  for await (const bytes of there as AsyncIterable<Buffer>) {
    assert.ok(bytes.equals(content.subarray(at, at + bytes.length)), `other bytes than those at ${at}`);
    at += bytes.length;
    const milliseconds = pause?.(piece++) ?? 0;
    if (milliseconds > 0) await sleep(milliseconds);
  }
  return at;
}

/** One client from the first byte to the last. */
async function pull(from = 0, pause?: (piece: number) => number): Promise<void> {
  const line = await link();
  const arrived = read(line, from, pause);
  await send(line.here, from);
  line.here.end();
  assert.equal(await arrived, content.length);
  line.close();
}

function helps(): boolean {
  return readdirSync('/proc/self/task').some((task) => nameOf(task) === 'sender\n');
}

/** Of a thread; nothing where it has ended since it was listed. */
function nameOf(task: string): string {
  try {
    return readFileSync(`/proc/self/task/${task}/comm`, 'utf8');
  } catch {
    return '';
  }
}

/** Clients that come back for more until the thread is there, and then as long as `work` takes. */
async function besides(work: () => Promise<void>): Promise<void> {
  const state = { over: false };
  const clients = Array.from({ length: 4 }, async (_, index) => {
    while (!state.over) await pull(index);
  });
  try {
    for (const deadline = Date.now() + 60_000; !helps(); await sleep(20)) assert.ok(Date.now() < deadline);
    await work();
  } finally {
    state.over = true;
    await Promise.all(clients);
  }
}

function sockets(): number {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  return links.filter((to) => to.startsWith('socket:')).length;
}

test('many clients get what was pushed, be they quick, halting or late; then the thread ends', {
  timeout: 180_000,
}, async () => {
  const before = blobs.unseenTraffic;
  const descriptors = readdirSync('/proc/self/fd').length;
  const halting = (piece: number) => (piece % 100 === 0 ? 10 : 0);
  await besides(async () => {
    const pulls = Array.from({ length: 12 }, (_, index) => pull(index * 1001, index % 3 === 0 ? halting : undefined));
    await Promise.all(pulls);
  });
  const unseen = blobs.unseenTraffic - before;
  assert.ok(unseen > 8 * content.length, `${unseen} bytes were handed over`);
  for (const deadline = Date.now() + 60_000; helps(); await sleep(50)) assert.ok(Date.now() < deadline);
  const left = () => readdirSync('/proc/self/fd').length;
  for (const deadline = Date.now() + 60_000; left() > descriptors; await sleep(50)) assert.ok(Date.now() < deadline);
});

test('clients that take nothing hold nobody up and time out; one that takes little does not', {
  timeout: 180_000,
}, async () => {
  await besides(async () => {
    const stopped = Array.from({ length: 6 }, async () => {
      const { here, there, close } = await link();
      there.pause();
      here.setTimeout(1_500).once('timeout', () => here.destroy());
      const began = performance.now();
      await assert.rejects(send(here, 0));
      const took = performance.now() - began;
      assert.ok(took > 1_400 && took < 60_000, `dropped after ${took} ms`);
      close();
    });
    const halting = await link();
    const fired = { timeout: false };
    halting.here.setTimeout(1_500).on('timeout', () => {
      fired.timeout = true;
    });
    const began = performance.now();
    const arrived = read(halting, 0, (piece) => (piece % 8 === 0 ? 20 : 0));
    await Promise.all([...stopped, send(halting.here, 0).then(() => halting.here.end())]);
    assert.equal(await arrived, content.length);
    assert.ok(performance.now() - began > 1_500, 'it was meant to take longer than silence may');
    assert.equal(fired.timeout, false);
    halting.close();
  });
});

test('a descriptor that is used again in the same moment gets no byte of another answer', {
  timeout: 180_000,
}, async () => {
  const open = sockets();
  await besides(async () => {
    for (let round = 0; round < 12; round++) {
      const victims = await Promise.all(Array.from({ length: 8 }, link));
      const read8 = victims.map((victim) =>
        read(victim, 0).catch((error: Error) => assert.match(error.message, /aborted|closed/i)),
      );
      const sent = victims.map(({ here }) => assert.rejects(send(here, 0)));
      await sleep(3 + round);
      for (const { here } of victims) here.destroy();
      // These get the descriptors that have just become free.
      const others = await Promise.all(Array.from({ length: 16 }, link));
      const heard = others.map(({ there }) => once(there, 'data') as Promise<[Buffer]>);
      await Promise.all(sent);
      for (const { here } of others) here.write('own');
      for (const [bytes] of await Promise.all(heard)) assert.equal(String(bytes.subarray(0, 10)), 'own');
      await Promise.all(read8);
      for (const { close } of [...victims, ...others]) close();
    }
  });
  for (const deadline = Date.now() + 60_000; sockets() > open; await sleep(50))
    assert.ok(Date.now() < deadline, `${sockets()} sockets are open, ${open} were`);
});

test('a client that is dropped hears of it at once, whoever was sending', { timeout: 180_000 }, async () => {
  await besides(async () => {
    for (let round = 0; round < 10; round++) {
      const { here, there, close } = await link();
      there.once('data', () => there.pause());
      const sending = assert.rejects(send(here, 0));
      await once(there, 'data');
      await sleep(10 * round);
      const closed = once(here, 'close');
      there.resume();
      here.destroy();
      await closed;
      await once(there, 'close');
      await sending;
      close();
    }
  });
});

test('a store may be closed, and a process may end, while the thread is at work', { timeout: 180_000 }, () => {
  for (const [ending, code] of [
    ['process.exit(7)', 7],
    ['blobs.close().then(() => process.exit(helps() ? 6 : 8))', 8],
  ] as const) {
    const { status, signal, stderr } = spawnSync(
      process.execPath,
      ['--no-warnings', '--input-type=module', '-e', program(ending), folder.path, key],
      { timeout: 85_000, encoding: 'utf8' },
    );
    assert.deepEqual({ status, signal, stderr }, { status: code, signal: null, stderr: '' });
  }
});

/** Sends to eight clients over and over, and ends when the thread has helped for a while. */
function program(ending: string): string {
  const store = pathToFileURL(join(import.meta.dirname, '../../../src/registry/storage/filesystem.ts')).href;
  return `
    import { createServer, connect } from 'node:net';
    import { once } from 'node:events';
    import { readdirSync, readFileSync } from 'node:fs';
    import { FilesystemStore } from '${store}';
    const nameOf = (task) => {
      try {
        return readFileSync('/proc/self/task/' + task + '/comm', 'utf8');
      } catch {
        return 'ended';
      }
    };
    const helps = () => readdirSync('/proc/self/task').some((task) => nameOf(task) === 'sender\\n');
    const blobs = await FilesystemStore.open({ directory: process.argv[1], reserveBytes: 0, help: { bytes: 1, mostResident: Infinity } });
    const server = createServer(async (socket) => {
      socket.on('error', () => undefined);
      try {
        for (;;) await (await blobs.open(process.argv[2])).send(socket, 0, ${last});
      } catch {}
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    for (let count = 0; count < 8; count++) connect(server.address().port, '127.0.0.1').resume().on('error', () => undefined);
    while (!helps()) await new Promise((resolve) => setTimeout(resolve, 20));
    setTimeout(() => { ${ending}; }, 300);
  `;
}
