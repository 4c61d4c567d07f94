/** A port on an address that pods reach, led to a server of a test that listens on loopback; it can be cut and mended. */
import { once } from 'node:events';
import { connect, createServer as createPlainServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

export interface RelayOptions {
  /** Where it listens. */
  readonly host: string;
  /** The port on 127.0.0.1 that it leads to. */
  readonly target: number;
  /** TLS ends here, for a server that speaks none; PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

export class Relay {
  readonly #options: RelayOptions;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  private constructor(options: RelayOptions) {
    this.#options = options;
  }

  static async start(options: RelayOptions): Promise<Relay> {
    const relay = new Relay(options);
    await relay.mend();
    return relay;
  }

  /** `address:port` for pods. */
  get authority(): string {
    return `${this.#options.host}:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  /** Ends every connection, and refuses new ones. */
  async cut(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Takes connections again, on the port it had. */
  async mend(): Promise<void> {
    const { tls, host } = this.#options;
    const lead = (socket: Socket) => this.#lead(socket);
    const server = tls === undefined ? createPlainServer(lead) : createTlsServer(tls, lead);
    server.on('tlsClientError', () => undefined);
    // Before a handshake too: one that is under way would end in a connection that outlives the cut, and keep it from ending.
    server.on('connection', (socket: Socket) => this.#keep(socket));
    server.listen(this.#port, host);
    await once(server, 'listening');
    this.#port = (server.address() as { port: number }).port;
    this.#server = server;
  }

  #lead(near: Socket): void {
    const far = connect(this.#options.target, '127.0.0.1');
    this.#keep(far);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.pipe(other);
      one.once('error', () => other.destroy());
      one.once('close', () => other.destroy());
    }
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}
