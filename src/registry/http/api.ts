import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { RegistryBootstrap } from '../../api/bootstrap/v1alpha1.ts';
import { Refusal } from '../../domain/errors.ts';
import type { Caller, Gate, Identity } from '../auth/contract.ts';
import { type MetadataStore, StoreError } from '../metadata/store.ts';
import type { RequestSample } from '../metrics.ts';
import type { Pins } from '../replication/own/pins.ts';
import type { Flows } from '../replication/side.ts';
import type { BlobStore } from '../storage/store.ts';
import type { Admission } from './admission.ts';
import { deleteBlob, getBlob } from './blobs.ts';
import { type Exchange, refuse, reply } from './exchange.ts';
import type { Intake } from './intake.ts';
import { listRepositories, listTags } from './lists.ts';
import { deleteManifest, getManifest, putManifest } from './manifests.ts';
import type { Pulls } from './pulls.ts';
import { listReferrers } from './referrers.ts';
import { parseRoute, type Route, type RouteKind } from './route.ts';
import { appendChunk, beginUpload, cancelUpload, finishUpload, uploadProgress } from './uploads.ts';

export type Content = RegistryBootstrap['content'];

/** What of the configuration the API reads, anew on every request: it may change while the registry runs. */
export type ApiSettings = Pick<RegistryBootstrap, 'limits' | 'content'>;

export interface ApiLog {
  debug(fields: object, message: string): void;
  /** Whether a line of this level is written at all; where it is not told, its fields are put together for nothing. */
  isLevelEnabled?(level: 'debug'): boolean;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface Peers {
  /** With which registries a repository is kept in step. */
  flows(repository: string): Promise<Flows>;
  readonly pins: Pick<Pins, 'holding'>;
}

/** Everything that a handler may reach. */
export interface Rooms {
  readonly gate: Gate;
  readonly metadata: MetadataStore;
  readonly blobs: BlobStore;
  readonly pulls: Pulls;
  readonly intake: Intake;
  readonly admission: Admission;
  readonly log: ApiLog;
  settings(): ApiSettings;
  /** Another object whenever users, keys, rules or anything else was reloaded. */
  configuration(): object;
  /** Milliseconds since the epoch. */
  now(): number;
  callerOf(request: Pick<IncomingMessage, 'socket' | 'headers'>): Caller;
  observe(sample: RequestSample): void;
  /** What rules of this registry mean to other registries that ask. */
  readonly peers?: Peers;
}

type Handler<R> = (rooms: Rooms, exchange: Exchange, route: R) => Promise<void>;
type Handlers = { [K in RouteKind]: Record<string, Handler<Extract<Route, { kind: K }>>> };

const handlers: Handlers = {
  base: { GET: ping, HEAD: ping },
  catalog: { GET: (rooms, exchange) => listRepositories(rooms, exchange) },
  tags: { GET: (rooms, exchange, route) => listTags(rooms, exchange, route.repository) },
  manifest: { GET: getManifest, HEAD: getManifest, PUT: putManifest, DELETE: deleteManifest },
  blob: { GET: getBlob, HEAD: getBlob, DELETE: deleteBlob },
  uploads: { POST: (rooms, exchange, route) => beginUpload(rooms, exchange, route.repository) },
  upload: { GET: uploadProgress, PATCH: appendChunk, PUT: finishUpload, DELETE: cancelUpload },
  referrers: { GET: listReferrers },
};

const noQuery = new URLSearchParams();

/**
 * The OCI distribution API as a plain request listener. Answers every path below `/v2/`; the caller routes other paths.
 * Never throws: what goes wrong becomes an error body of the specification, and a log line where the fault is ours.
 */
export function createApi(rooms: Rooms): RequestListener {
  return (request, response) => {
    const began = performance.now();
    const handled: { kind: RouteKind | 'other'; identity?: Identity } = { kind: 'other' };
    response.setHeader('docker-distribution-api-version', 'registry/2.0');
    response.once('close', () => {
      const seconds = (performance.now() - began) / 1000;
      const { method = 'GET' } = request;
      // As nginx does: the client left before it had its answer.
      const status = response.writableFinished ? response.statusCode : 499;
      rooms.observe({ route: handled.kind, method, status, seconds });
      logExchange(rooms.log, { request, response, status, seconds, user: handled.identity?.name });
    });
    handle(rooms, { request, response, handled }).catch((error: unknown) => fail(rooms, { request, response }, error));
  };
}

interface Arrival {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly handled: { kind: RouteKind | 'other'; identity?: Identity };
}

async function handle(rooms: Rooms, { request, response, handled }: Arrival): Promise<void> {
  const { url = '/', method = 'GET' } = request;
  const mark = url.indexOf('?');
  const route = parseRoute(mark < 0 ? url : url.slice(0, mark));
  if (route === undefined) throw new Refusal('UNSUPPORTED', 'no such endpoint: the API is under /v2/', { status: 404 });
  handled.kind = route.kind;
  const handler = handlers[route.kind][method] as Handler<Route> | undefined;
  if (handler === undefined) throw notAllowed(route.kind);

  const caller = rooms.callerOf(request);
  const leave = rooms.admission.enter(caller.address, carriesUpload(route.kind, method), rooms.settings().limits);
  response.once('close', leave);
  const identified = rooms.gate.identify(caller);
  const identity = identified instanceof Promise ? await identified : identified;
  handled.identity = identity;
  const query = mark < 0 ? noQuery : new URLSearchParams(url.slice(mark + 1));
  await handler(rooms, { request, response, query, caller, identity }, route);
}

function carriesUpload(kind: RouteKind, method: string): boolean {
  return (kind === 'upload' && method !== 'GET') || kind === 'uploads';
}

/** `GET /v2/` (end-1): tells a client that this is a registry, and whether its credentials are good. */
async function ping({ gate }: Rooms, exchange: Exchange): Promise<void> {
  gate.authorize(exchange.identity, 'Pull', undefined, exchange.caller);
  reply(exchange, 200, { 'content-type': 'application/json', 'content-length': 2 }, '{}');
}

function notAllowed(kind: RouteKind): Refusal {
  const allow = Object.keys(handlers[kind]).join(', ');
  return new Refusal('UNSUPPORTED', `this endpoint takes ${allow}`, { status: 405, headers: { allow } });
}

function fail(rooms: Rooms, exchange: Pick<Exchange, 'request' | 'response'>, error: unknown): void {
  if (isDisconnect(error) || (exchange.request.destroyed && !exchange.request.complete)) {
    return void exchange.response.destroy();
  }
  refuse(exchange, asRefusal(rooms.log, error));
}

const disconnects = new Set(['ECONNRESET', 'EPIPE', 'ECANCELED', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED']);

/** The client went away: nobody is left to be told, and nothing of ours is wrong. */
export function isDisconnect(error: unknown): boolean {
  return error instanceof Error && 'code' in error && disconnects.has(String(error.code));
}

/** A store that cannot work for now is the client's to retry; anything unforeseen is ours, and is logged with its stack. */
function asRefusal(log: ApiLog, error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof StoreError) {
    log.error({ err: error, kind: error.kind }, 'the metadata store could not do this');
    const status = error.kind === 'full' ? 429 : 503;
    const headers = { 'retry-after': error.kind === 'full' ? '30' : '5' };
    return new Refusal('TOOMANYREQUESTS', storeFaults[error.kind], { status, headers, cause: error });
  }
  log.error({ err: error }, 'a request failed for a reason that was not foreseen');
  return new Refusal('UNSUPPORTED', 'the registry failed; its log says why', { status: 500, cause: error });
}

const storeFaults: Record<StoreError['kind'], string> = {
  full: 'the registry has no space left; its volume must grow, then try again',
  io: 'the registry cannot write to its volume at the moment; try again',
  corrupt: 'the metadata database of the registry is damaged; its operator must restore it',
  busy: 'the registry is busy; try again',
  closed: 'the registry is stopping; try again',
};

interface Finished {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly status: number;
  readonly seconds: number;
  readonly user: string | undefined;
}

/** Changes and refusals are always of interest; reads that went well only to somebody who looks for them. */
function logExchange(log: ApiLog, { request, response, status, seconds, user }: Finished): void {
  const { method, url } = request;
  const read = (method === 'GET' || method === 'HEAD') && status < 400;
  const fields = { method, url, status, ms: Math.round(seconds * 1000), user, whole: response.writableFinished };
  if (status >= 500) log.error(fields, 'request failed');
  else if (read) log.debug(fields, 'request');
  else log.info(fields, 'request');
}
