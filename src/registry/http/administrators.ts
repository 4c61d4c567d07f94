import type { Request, RequestHandler, Response } from 'express';
import { Refusal } from '../../domain/errors.ts';
import { basicChallenge } from '../auth/challenge.ts';
import type { Caller, Gate } from '../auth/contract.ts';
import { type OperatorTrust, verifyOperatorToken } from '../auth/operator-token.ts';
import { verifyReporterToken } from '../auth/reporter-token.ts';

export interface AdministratorRooms {
  readonly gate: Gate;
  operator(): OperatorTrust | undefined;
  callerOf(request: Request): Caller;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** Lets the operator pass with a token that it signed, and administrators with their password. */
export function administratorsOnly(rooms: AdministratorRooms): RequestHandler {
  return async (request, response, next) => {
    const bearer = bearerOf(request);
    response.locals.caller = bearer === undefined ? await administrator(rooms, request) : await operator(rooms, bearer);
    next();
  };
}

/** The same, and a cluster with a token that lets it say what it runs, for its own inventory (`:cluster`). */
export function reportersAsWell(rooms: AdministratorRooms): RequestHandler<{ cluster: string }> {
  const others = administratorsOnly(rooms) as RequestHandler<{ cluster: string }>;
  return async (request, response, next) => {
    const bearer = bearerOf(request as Request);
    const trust = rooms.operator();
    const reporter = bearer && trust && (await verifyReporterToken(bearer, trust, rooms.now()));
    if (!reporter) return others(request, response, next);
    if (reporter.cluster !== request.params.cluster)
      throw new Refusal('DENIED', `this token is of the cluster ${reporter.cluster}, and reports for no other`);
    response.locals.caller = `cluster ${reporter.cluster}`;
    next();
  };
}

/** Who was let pass. Safe to log. */
export function callerName(response: Response): string {
  return String(response.locals.caller);
}

function bearerOf(request: Request): string | undefined {
  return /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
}

async function operator(rooms: AdministratorRooms, token: string): Promise<string> {
  const trust = rooms.operator();
  const signer = trust && (await verifyOperatorToken(token, trust, rooms.now()));
  if (signer !== undefined) return signer;
  throw unauthorized('the admin API takes tokens of its operator, or Basic credentials of an administrator');
}

async function administrator(rooms: AdministratorRooms, request: Request): Promise<string> {
  const caller = rooms.callerOf(request);
  if (caller.authorization === undefined) throw unauthorized('sign in as an administrator');
  const identity = await rooms.gate.identify(caller);
  rooms.gate.authorize(identity, 'Admin', undefined, caller);
  return identity.name;
}

function unauthorized(message: string): Refusal {
  return new Refusal('UNAUTHORIZED', message, { headers: { 'www-authenticate': basicChallenge } });
}
