import { connect, type Socket } from 'node:net';
import type { Server } from './server.ts';

export interface Wire {
  readonly socket: Socket;
  /** Everything that came so far. */
  received(): string;
  send(text: string | Uint8Array): void;
  /** Resolves when what came matches, or rejects after `millis` (a minute unless told) with what came instead. */
  until(pattern: RegExp, millis?: number): Promise<string>;
  /** Resolves with everything that came once the other side has ended the connection. */
  ended(millis?: number): Promise<string>;
  destroy(): void;
}

/** A connection on which a test writes every byte itself. `from` is the loopback address to come from. */
export async function wire(server: Pick<Server, 'host'>, options: { from?: string } = {}): Promise<Wire> {
  const [host = '', port = ''] = server.host.split(':');
  const socket = connect({ host, port: Number(port), localAddress: options.from ?? '127.0.0.1' });
  let text = '';
  let over = false;
  const changed = new Set<() => void>();
  const change = () => {
    for (const look of changed) look();
  };
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    change();
  });
  // A reset is one of the ends that a hostile client may meet.
  socket.on('error', () => undefined);
  for (const event of ['end', 'close']) {
    socket.on(event, () => {
      over = true;
      change();
    });
  }
  const wait = (done: () => boolean, millis: number) =>
    new Promise<string>((resolve, reject) => {
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        changed.delete(look);
        settle();
      };
      const look = () => {
        if (done()) finish(() => resolve(text));
        else if (over) finish(() => reject(new Error(`the connection ended after: ${text.slice(0, 500)}`)));
      };
      const timer = setTimeout(
        () => finish(() => reject(new Error(`nothing of that within ${millis} ms, but: ${text.slice(0, 500)}`))),
        millis,
      );
      changed.add(look);
      look();
    });
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return {
    socket,
    received: () => text,
    send: (bytes) => void socket.write(bytes),
    until: (pattern, millis = 60_000) => wait(() => pattern.test(text), millis),
    ended: (millis = 60_000) => wait(() => over, millis),
    destroy: () => socket.destroy(),
  };
}

/** A request's head: the line, `Host`, credentials, further lines, and the empty line. */
export function head(server: Pick<Server, 'host' | 'authorization'>, line: string, ...more: string[]): string {
  return [`${line} HTTP/1.1`, `Host: ${server.host}`, `Authorization: ${server.authorization}`, ...more, '', ''].join(
    '\r\n',
  );
}
