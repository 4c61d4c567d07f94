/** A line to a server that takes its time: every byte arrives later by the same while, in both directions, at full width. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface SlowLine {
  /** `address:port`, for pods. */
  readonly authority: string;
  /** Milliseconds one way; from now on. */
  delayMs: number;
  close(): Promise<void>;
}

/** @param to where it leads, `[host, port]` */
export async function slowLine(listen: string, to: readonly [string, number]): Promise<SlowLine> {
  const sockets = new Set<Socket>();
  const line = { delayMs: 0 };
  const server: Server = createServer((near) => {
    const far = connect(to[1], to[0]);
    forward(near, far, line);
    forward(far, near, line);
    for (const each of [near, far]) {
      sockets.add(each);
      each.setNoDelay(true);
      each.once('close', () => sockets.delete(each));
    }
  });
  await once(server.listen(0, listen), 'listening');
  const { port } = server.address() as { port: number };
  return Object.assign(line, {
    authority: `${listen}:${port}`,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

/** Bytes in flight are bounded, as on a real line: past it the sender waits. */
const inFlight = 16 * 1024 * 1024;

function forward(from: Socket, to: Socket, line: { delayMs: number }): void {
  let waiting = 0;
  const later = (work: () => void) => {
    if (line.delayMs === 0) work();
    else setTimeout(work, line.delayMs);
  };
  from.on('data', (chunk) => {
    waiting += chunk.length;
    if (waiting > inFlight) from.pause();
    later(() => {
      waiting -= chunk.length;
      if (waiting <= inFlight) from.resume();
      if (!to.destroyed) to.write(chunk);
    });
  });
  from.once('end', () => later(() => void to.end()));
  from.once('error', () => to.destroy());
  from.once('close', () => later(() => void to.destroy()));
}
