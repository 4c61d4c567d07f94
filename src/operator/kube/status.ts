import type { IncomingMessage } from 'node:http';
import { KubeError, type KubeErrorCause } from './error.ts';

/** `metav1.Status`, as far as we read it. */
export interface Status {
  kind?: string;
  code?: number;
  reason?: string;
  message?: string;
  details?: { name?: string; causes?: KubeErrorCause[]; retryAfterSeconds?: number };
}

interface Asked {
  method: string;
  path: string;
}

/** The error for an answer that is not 2xx. */
export function errorFromAnswer(message: IncomingMessage, body: string, asked: Asked): KubeError {
  const status = parseStatus(body);
  const header = Number.parseInt(message.headers['retry-after'] ?? '', 10);
  return errorFromStatus(
    { ...status, code: message.statusCode ?? 0 },
    asked,
    Number.isNaN(header) ? status?.details?.retryAfterSeconds : header,
  );
}

/** The error for a Status object, in an answer or in a watch. */
export function errorFromStatus(status: Status, asked: Asked, retryAfterSeconds?: number): KubeError {
  const code = status.code ?? 0;
  return new KubeError({
    status: code,
    reason: reasonOf(status, code),
    message: `${asked.method} ${pathOnly(asked.path)}: ${status.message ?? `the API server answered ${code}`}`,
    ...(status.details?.causes === undefined ? {} : { causes: status.details.causes }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}

/** The error for a request that got no (whole) answer. */
export function noAnswer(cause: unknown, asked: Asked, reusedSocket = false): KubeError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  const stale = reusedSocket && (code === 'ECONNRESET' || code === 'EPIPE');
  return new KubeError({
    status: 0,
    reason: stale ? 'StaleConnection' : 'NoAnswer',
    message: `${asked.method} ${pathOnly(asked.path)}: no answer from the API server: ${cause instanceof Error ? cause.message : String(cause)}`,
    cause,
  });
}

function reasonOf(status: Status, code: number): string {
  // A path that does not exist is a 404 without the name of an object.
  if (code === 404 && status.details?.name === undefined) return 'KindNotServed';
  return status.reason ?? 'Unknown';
}

function parseStatus(body: string): Status | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null && (value as Status).kind === 'Status' ? value : undefined;
  } catch {
    return undefined; // A proxy's page, or the plain text of a path that does not exist: the HTTP status says enough.
  }
}

function pathOnly(path: string): string {
  return path.replace(/\?.*$/, '');
}
