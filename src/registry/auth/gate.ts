import type { Action } from '../../domain/access/action.ts';
import { type AnonymousAccess, decide } from '../../domain/access/decide.ts';
import { covers, scopeFor } from '../../domain/access/scope.ts';
import { Refusal } from '../../domain/errors.ts';
import { bearerChallenge } from './challenge.ts';
import type { Caller, Gate, Identity } from './contract.ts';
import { type Credentials, type Passwords, parseBasic } from './passwords.ts';
import type { Token, Tokens } from './tokens.ts';
import type { User, Users } from './users.ts';

export interface GateSettings {
  readonly users: Users;
  readonly anonymous: AnonymousAccess;
  readonly service: string;
}

export interface GateOptions {
  readonly settings: () => GateSettings;
  readonly passwords: Passwords;
  readonly tokens: Tokens;
}

const nobody: Identity = { name: 'anonymous', anonymous: true, administrator: false };

/** Decides with the settings of the moment, so that a change of users or of anonymous access counts from the next request. */
export class RegistryGate implements Gate {
  readonly #settings: () => GateSettings;
  readonly #passwords: Passwords;
  readonly #tokens: Tokens;

  constructor({ settings, passwords, tokens }: GateOptions) {
    this.#settings = settings;
    this.#passwords = passwords;
    this.#tokens = tokens;
  }

  identify(caller: Caller): Identity | Promise<Identity> {
    const { authorization } = caller;
    if (authorization === undefined) return nobody;
    const space = authorization.indexOf(' ');
    const scheme = authorization.slice(0, Math.max(space, 0)).toLowerCase();
    const value = authorization.slice(space + 1).trim();
    if (scheme === 'bearer') return settle(this.#tokens.verify(value), (token) => this.#bearer(token, caller));
    const credentials = scheme === 'basic' ? parseBasic(value) : undefined;
    if (credentials === undefined) {
      throw this.#unauthorized(caller, {
        message: 'Authorization must be "Basic" with name and password, or "Bearer" with a token',
      });
    }
    return this.password(credentials, caller);
  }

  /** The identity that a name and password belong to. Throws (or rejects with) Refusal UNAUTHORIZED or TOOMANYREQUESTS. */
  password(credentials: Credentials, caller: Caller): Identity | Promise<Identity> {
    return settle(this.#passwords.verify(credentials, caller.address), (user) => {
      if (user === undefined) throw this.#unauthorized(caller, { message: 'wrong user name or password' });
      return identityOf(user);
    });
  }

  authorize(identity: Identity, action: Action, repository: string | undefined, caller: Caller): void {
    if (this.#mayPass(identity, action, repository)) return;
    const scope = scopeFor(action, repository);
    const decision = this.#decide(identity, action);
    if (!identity.anonymous && !decision.allowed) {
      throw new Refusal('DENIED', `${identity.name} may not do this${where(repository)}: ${decision.reason}`);
    }
    const error = identity.scope === undefined ? undefined : 'insufficient_scope';
    const message =
      identity.scope === undefined
        ? `sign in to do this${where(repository)}`
        : `the token does not cover this${where(repository)}; ask for one with scope ${scope ?? 'none'}`;
    throw this.#unauthorized(caller, { message, scope, error });
  }

  authorizeMount(
    identity: Identity,
    { source, repository }: { source: string; repository: string },
    caller: Caller,
  ): void {
    if (identity.scope === undefined || this.allows(identity, 'Pull', source)) return;
    if (!this.#decide(identity, 'Pull').allowed) return;
    throw this.#unauthorized(caller, {
      message: `the token does not cover pulling from ${source}; ask for one that does`,
      scope: `repository:${repository}:pull,push repository:${source}:pull`,
      error: 'insufficient_scope',
    });
  }

  allows(identity: Identity, action: Action, repository: string | undefined): boolean {
    const covered = identity.scope === undefined || covers(identity.scope, action, repository);
    return covered && this.#decide(identity, action).allowed;
  }

  /**
   * `GET /v2/` (no repository) has a rule of its own: clients read the challenge there and never ask again, so a caller
   * with nothing is challenged while there is anything to sign in for; any good token passes.
   */
  #mayPass(identity: Identity, action: Action, repository: string | undefined): boolean {
    if (action !== 'Pull' || repository !== undefined) return this.allows(identity, action, repository);
    return !identity.anonymous || identity.scope !== undefined || this.#settings().anonymous === 'Push';
  }

  #decide({ anonymous, administrator }: Identity, action: Action) {
    const role = anonymous ? 'anonymous' : administrator ? 'administrator' : 'user';
    return decide({ role, action, anonymousAccess: this.#settings().anonymous });
  }

  /** A token is as good as its holder is now: removed users, new passwords and closed anonymous access end it at once. */
  #bearer(token: Token | undefined, caller: Caller): Identity {
    const refused = () =>
      this.#unauthorized(caller, { message: 'the token is not valid here or has expired', error: 'invalid_token' });
    if (token === undefined) throw refused();
    const { users, anonymous } = this.#settings();
    const until = token.expires * 1000;
    if (token.subject === '') {
      if (anonymous === 'None') throw refused();
      return { ...nobody, scope: token.grants, until };
    }
    const user = users.get(token.subject);
    if (user === undefined || user.stamp !== token.stamp) throw refused();
    return { ...identityOf(user), scope: token.grants, until };
  }

  #unauthorized(
    caller: Caller,
    why: { message: string; scope?: string | undefined; error?: string | undefined },
  ): Refusal {
    const challenge = bearerChallenge(caller, {
      service: this.#settings().service,
      scope: why.scope,
      error: why.error,
    });
    return new Refusal('UNAUTHORIZED', why.message, { headers: { 'www-authenticate': challenge } });
  }
}

function identityOf(user: User): Identity {
  return { name: user.name, anonymous: false, administrator: user.role === 'administrator' };
}

function where(repository: string | undefined): string {
  return repository === undefined ? '' : ` in ${repository}`;
}

/** Goes on at once where the value is there, so that what was verified before costs no turn of the event loop. */
function settle<T, R>(value: T | Promise<T>, then: (value: T) => R): R | Promise<R> {
  return value instanceof Promise ? value.then(then) : then(value);
}
