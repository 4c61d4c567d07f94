import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';

/** Where a port is taken that the kernel hands to nobody, nor a Service of Kubernetes gets as its node's port. */
const OURS = { first: 15_000, last: 29_999 };

/**
 * A port of 127.0.0.1 that nobody listens on now, for a program that has to be told one. The kernel gives it neither to who
 * listens on any port nor to who connects: so it is still free when the program comes to it, and while the program is away.
 */
export async function freePort(): Promise<number> {
  if ((await lowestEphemeral()) <= OURS.last) return (await listened(0)) ?? (await freePort());
  for (;;) {
    const port = await listened(randomInt(OURS.first, OURS.last + 1));
    if (port !== undefined) return port;
  }
}

/** The port, once it was listened on for a moment; undefined where somebody else does. */
function listened(port: number): Promise<number | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const { port: found } = server.address() as { port: number };
      server.close(() => resolve(found));
    });
  });
}

/** From where on the kernel hands ports out by itself. */
async function lowestEphemeral(): Promise<number> {
  const range = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => '0');
  return Number.parseInt(range, 10);
}
