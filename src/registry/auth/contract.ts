import type { Action } from '../../domain/access/action.ts';

/** Who is asking, and how far a token that they hold reaches. */
export interface Identity {
  /** `anonymous` where no credentials came; otherwise the user's name. Safe to log. */
  readonly name: string;
  readonly anonymous: boolean;
  readonly administrator: boolean;
  /** What a bearer token was issued for. A ceiling: absent where the caller came with a password. */
  readonly scope?: readonly Grant[];
  /** Milliseconds since the epoch after which the credentials must be looked at again: a bearer token expires. */
  readonly until?: number;
}

/** One entry of a token's `access` claim (Docker token authentication, "access" claim). */
export interface Grant {
  readonly type: 'repository' | 'registry';
  readonly name: string;
  /** `pull`, `push`, `delete`, `*`. */
  readonly actions: readonly string[];
}

/** What of an HTTP request matters to authentication. */
export interface Caller {
  readonly authorization: string | undefined;
  /** `host[:port]` that the client asked for (after trusted proxies): the realm of a challenge is built from it. */
  readonly authority: string;
  readonly secure: boolean;
  /** Client address after trusted proxies. */
  readonly address: string;
}

export interface Gate {
  /**
   * Tells who is asking. Answers at once (no promise) where the credentials were verified before, so that the hot path
   * costs one map look-up. Throws (or rejects with) Refusal UNAUTHORIZED with a challenge for wrong or expired credentials.
   */
  identify(caller: Caller): Identity | Promise<Identity>;
  /**
   * Throws Refusal unless `identity` may do `action` in `repository` (`undefined`: the registry as a whole, as for the
   * catalog). 401 with a challenge that names the scope where better credentials could help, else 403 DENIED.
   */
  authorize(identity: Identity, action: Action, repository: string | undefined, caller: Caller): void;
  /**
   * Throws Refusal UNAUTHORIZED whose challenge names both repositories where the caller may read `source`, but came with a
   * token that does not say so. Where the caller may not, nothing happens: an upload begins instead of a mount.
   */
  authorizeMount(identity: Identity, mount: { source: string; repository: string }, caller: Caller): void;
  /** The same decision without a throw: for mounts (read the source) and for lists. */
  allows(identity: Identity, action: Action, repository: string | undefined): boolean;
}
