import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { TLSSocket } from 'node:tls';

/** Of a socket that encrypts nothing and has nothing left to write, so that the order of bytes is ours to choose. */
export function descriptorOf(sink: Writable): number | undefined {
  if (!isSocket(sink) || sink instanceof TLSSocket) return undefined;
  if (sink.destroyed || sink.writableLength > 0 || sink.writableCorked > 0 || sink.writableEnded) return undefined;
  const { fd } = (sink as Socket & { _handle?: { fd?: number } | null })._handle ?? {};
  return fd !== undefined && fd >= 0 ? fd : undefined;
}

/** Whether a sink is a socket at all, of whatever kind. */
export function isSocket(sink: Writable): sink is Socket {
  return sink instanceof Socket;
}

/** Bytes pass that Node does not see: the client is not idle. */
export function markActive(sink: Writable): void {
  if (isSocket(sink) && sink.timeout !== undefined && sink.timeout > 0) sink.setTimeout(sink.timeout);
}
