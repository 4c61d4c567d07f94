import express, { type Request, type Response, type Router } from 'express';
import { grantable, parseScopes } from '../../domain/access/scope.ts';
import { Refusal } from '../../domain/errors.ts';
import { basicChallenge } from '../auth/challenge.ts';
import type { Caller, Gate, Identity } from '../auth/contract.ts';
import { parseBasic } from '../auth/passwords.ts';
import type { Tokens } from '../auth/tokens.ts';
import type { Users } from '../auth/users.ts';

export interface TokenRooms {
  readonly gate: Gate & {
    password(credentials: { name: string; password: string }, caller: Caller): Identity | Promise<Identity>;
  };
  readonly tokens: Tokens;
  users(): Users;
  anonymousOn(): boolean;
  callerOf(request: Request): Caller;
}

/**
 * The token endpoint of Docker token authentication: `GET /token` with Basic credentials, and `POST /token` as OAuth2 asks
 * (grant type `password`). A token holds what is allowed of what was asked for. Without credentials it is 401 while anonymous access is
 * off, because clients take any token for success and would only fail later with less to go by.
 */
export function tokenRouter(rooms: TokenRooms): Router {
  const router = express.Router();
  router.get('/token', async (request, response) => {
    const identity = await identify(rooms, request);
    await answer(rooms, response, { identity, scopes: values(request.query.scope) });
  });
  router.post(
    '/token',
    express.urlencoded({ extended: false, limit: '16kb', parameterLimit: 100 }),
    async (request, response) => {
      const form = (request.body ?? {}) as Record<string, unknown>;
      const identity = await identifyForm(rooms, request, form);
      if (identity === undefined) {
        response.status(400).json({ error: 'unsupported_grant_type', error_description: 'use grant_type=password' });
        return;
      }
      await answer(rooms, response, { identity, scopes: values(form.scope) });
    },
  );
  return router;
}

async function identify(rooms: TokenRooms, request: Request): Promise<Identity> {
  const { authorization } = request.headers;
  const caller = rooms.callerOf(request);
  if (authorization === undefined) {
    if (!rooms.anonymousOn())
      throw unauthorized('sign in: this registry gives no tokens to callers without credentials');
    return rooms.gate.identify(caller);
  }
  const basic = /^basic +(\S+) *$/i.exec(authorization)?.[1];
  const credentials = basic === undefined ? undefined : parseBasic(basic);
  if (credentials === undefined) throw unauthorized('the token endpoint takes Basic credentials');
  return passwordOf(rooms, credentials, caller);
}

async function identifyForm(
  rooms: TokenRooms,
  request: Request,
  form: Record<string, unknown>,
): Promise<Identity | undefined> {
  const { grant_type: grant, username: name, password } = form;
  if (grant === undefined) return identify(rooms, request);
  if (grant !== 'password' || typeof name !== 'string' || typeof password !== 'string') return undefined;
  return passwordOf(rooms, { name, password }, rooms.callerOf(request));
}

/** A wrong password is challenged with Basic here: a Bearer challenge would send the client round in a circle. */
async function passwordOf(
  rooms: TokenRooms,
  credentials: { name: string; password: string },
  caller: Caller,
): Promise<Identity> {
  try {
    return await rooms.gate.password(credentials, caller);
  } catch (error) {
    throw error instanceof Refusal && error.code === 'UNAUTHORIZED' ? unauthorized(error.message) : error;
  }
}

async function answer(
  rooms: TokenRooms,
  response: Response,
  { identity, scopes }: { identity: Identity; scopes: string[] },
): Promise<void> {
  const grants = grantable(parseScopes(scopes), (action, repository) =>
    rooms.gate.allows(identity, action, repository),
  );
  const user = identity.anonymous ? undefined : rooms.users().get(identity.name);
  const holder = { subject: identity.anonymous ? '' : identity.name, stamp: user?.stamp ?? '' };
  const { token, issuedAt, expiresIn } = await rooms.tokens.issue(holder, grants);
  response.set('cache-control', 'no-store').json({
    token,
    access_token: token,
    expires_in: expiresIn,
    issued_at: new Date(issuedAt * 1000).toISOString(),
    scope: grants.map(({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`).join(' '),
  });
}

function unauthorized(message: string): Refusal {
  return new Refusal('UNAUTHORIZED', message, { headers: { 'www-authenticate': basicChallenge } });
}

/** A parameter may come once, several times, or (as `scope[x]=`) as something that is no text at all. */
function values(parameter: unknown): string[] {
  const all = Array.isArray(parameter) ? parameter : [parameter];
  return all.filter((value): value is string => typeof value === 'string');
}
