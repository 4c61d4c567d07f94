import type { RequestListener, Server } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { codeOf, Fatal, messageOf } from '../platform/fatal.ts';
import { createHttpServer, https } from '../platform/node-http.ts';
import { Connections } from './connections.ts';
import { continueWhenRead } from './http/expectation.ts';
import type { TlsMaterial } from './settings.ts';

export interface ListenerOptions {
  /** `host:port`, `:port` or `[v6]:port`. */
  readonly address: string;
  /** Names the listener in errors, for example `the API`. */
  readonly purpose: string;
  readonly tls?: TlsMaterial | undefined;
  readonly handle: RequestListener;
  /** Takes new connections before Node's HTTP server does. */
  readonly lane?: Lane;
}

/** Answers what it can on a connection; `serve` gives the connection to Node's HTTP server. */
export interface Lane {
  take(socket: Socket, serve: () => void): void;
  /** Answers nothing more; with `end`, closes connections that wait for nothing. */
  leave(end: boolean): void;
}

/** Milliseconds. A handshake and headers must arrive soon; a body may take as long as it moves. */
export const timeouts = { headers: 20_000, idle: 120_000, keepAlive: 75_000, look: 5_000 };
const mostConnections = 10_000;

/** An HTTP or HTTPS server that drains, counts its bytes, and takes a new certificate while it runs. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #server: Server | HttpsServer;
  readonly #connections = new Connections(mostConnections);
  readonly #closedTraffic = { received: 0, sent: 0 };
  #leaving = false;

  constructor(options: ListenerOptions) {
    const { tls } = options;
    this.#options = options;
    const handle: RequestListener = (request, response) => {
      if (this.#leaving) response.shouldKeepAlive = false;
      options.handle(request, response);
    };
    // No bound on the time of a whole request: a layer over a slow line may take an hour. Silence is bounded.
    const common = {
      requestTimeout: 0,
      headersTimeout: timeouts.headers,
      keepAliveTimeout: timeouts.keepAlive,
      connectionsCheckingInterval: timeouts.look,
    };
    this.#server =
      tls === undefined
        ? createHttpServer(common, handle)
        : https().createServer({ ...common, handshakeTimeout: timeouts.headers, ...tls }, handle);
    this.#server.timeout = timeouts.idle;
    if (options.lane !== undefined) putBefore(this.#server, options.lane);
    this.#server.on('checkContinue', (request, response) => {
      continueWhenRead(request, response);
      handle(request, response);
    });
    this.#server.on('connection', (socket: Socket) => this.#count(socket));
  }

  /** Starts to listen. Throws Fatal that names the address and what to do where that fails. */
  async listen(): Promise<AddressInfo> {
    const { host, port } = splitAddress(this.#options.address);
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) => reject(this.#unavailable(cause)));
      this.#server.listen({ port, ...(host === '' ? {} : { host }) }, resolve);
    });
    // A connection that could not be accepted (no descriptor, no memory) is the client's to try again.
    this.#server.on('error', () => undefined);
    return this.#server.address() as AddressInfo;
  }

  /** New connections get the new certificate; those that are open go on. */
  setCertificate(tls: TlsMaterial): void {
    if ('setSecureContext' in this.#server) this.#server.setSecureContext(tls);
  }

  /** Bytes over the wire since the start. */
  traffic(): { received: number; sent: number } {
    const total = { ...this.#closedTraffic };
    for (const socket of this.#connections) add(total, socket);
    return total;
  }

  /** From now on every answer ends its connection: a client that comes back finds somebody else, or is refused at once. */
  leave(): void {
    this.#leaving = true;
    this.#options.lane?.leave(false);
  }

  /** Takes no more connections, lets requests in flight end within `seconds`, then cuts what is left. */
  async drain(seconds: number): Promise<{ cut: number }> {
    this.leave();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    // A connection that becomes idle is of no more use; Node closes only those that are idle now.
    const sweep = setInterval(() => this.#server.closeIdleConnections(), 50);
    let cut = 0;
    const deadline = setTimeout(() => {
      cut = this.#connections.size;
      this.#server.closeAllConnections();
      for (const socket of this.#connections) socket.destroy();
    }, seconds * 1000);
    this.#server.closeIdleConnections();
    this.#options.lane?.leave(true);
    await closed;
    clearInterval(sweep);
    clearTimeout(deadline);
    return { cut };
  }

  #count(socket: Socket): void {
    this.#connections.enter(socket);
    socket.once('close', () => add(this.#closedTraffic, socket));
  }

  #unavailable(cause: Error): Fatal {
    const { purpose, address } = this.#options;
    return new Fatal(`${purpose} cannot listen on ${address}: ${problemOf(cause)}`, { cause });
  }
}

/** Node documents that its `connection` listener may be given any stream at any time; over TLS the event has another name. */
function putBefore(server: Server | HttpsServer, lane: Lane): void {
  const event = 'setSecureContext' in server ? 'secureConnection' : 'connection';
  const [serve] = server.listeners(event) as ((socket: Socket) => void)[];
  if (serve === undefined) throw new Error(`the HTTP server has no listener for ${event}`);
  server.off(event, serve);
  server.on(event, (socket: Socket) => lane.take(socket, () => serve.call(server, socket)));
}

function add(total: { received: number; sent: number }, socket: Socket): void {
  total.received += socket.bytesRead;
  total.sent += socket.bytesWritten;
}

function problemOf(error: Error): string {
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return 'the port is in use by another program; stop that one (ss -ltnp shows it), or choose another port';
    case 'EACCES':
      return 'this user may not use the port; choose one above 1023, or grant CAP_NET_BIND_SERVICE';
    case 'EADDRNOTAVAIL':
      return 'this machine does not have the address; choose one that it has, or leave the host out for all';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the host name is not known; write an address';
    default:
      return messageOf(error);
  }
}

/** Splits `host:port`; the host is empty where all addresses are meant, and without brackets. */
export function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}
