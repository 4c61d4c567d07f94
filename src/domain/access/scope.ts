/**
 * Scopes of Docker token authentication ("Token Scope Documentation"): `type:name:action,action`, several of them separated
 * by spaces. `type` may carry a class in parentheses (`repository(plugin)`), and `name` a host with a port.
 */
import { isHost, isRepositoryName } from '../oci/reference.ts';
import type { Action } from './action.ts';

/** Actions that a scope can name for a repository; `*` stands for all of them. */
export const repositoryWords = ['pull', 'push', 'delete'] as const;
export type RepositoryWord = (typeof repositoryWords)[number];

export interface Scope {
  readonly type: 'repository' | 'registry';
  readonly name: string;
  readonly actions: readonly string[];
}

/** Entries read of one request; what comes after is left out of the token. */
export const mostScopes = 64;

/** The word of a scope that covers an action on a repository; undefined where no scope ever does. */
export function wordOf(action: Action): RepositoryWord | undefined {
  switch (action) {
    case 'Pull':
    case 'Replicate':
      return 'pull';
    case 'PushBlob':
    case 'CreateTag':
    case 'OverwriteTag':
    case 'AttachReferrer':
    case 'Mount':
      return 'push';
    case 'DeleteTag':
    case 'DeleteManifest':
      return 'delete';
    default:
      return undefined;
  }
}

/** An action that stands for all that a word covers: the built-in rules treat them alike. */
export function actionOf(word: RepositoryWord): Action {
  return word === 'pull' ? 'Pull' : word === 'push' ? 'PushBlob' : 'DeleteManifest';
}

/**
 * Reads `scope` parameters. What is not understood is left out, because a token is what is allowed of what was asked
 * and never an error; the same name twice is one entry.
 */
export function parseScopes(parameters: readonly string[]): Scope[] {
  const merged = new Map<string, { type: Scope['type']; name: string; actions: Set<string> }>();
  const entries = parameters.flatMap((parameter) => parameter.split(' ')).filter((entry) => entry !== '');
  for (const entry of entries.slice(0, mostScopes)) {
    const scope = parseScope(entry);
    if (scope === undefined) continue;
    const key = `${scope.type}:${scope.name}`;
    const known = merged.get(key);
    if (known === undefined) merged.set(key, { ...scope, actions: new Set(scope.actions) });
    else for (const action of scope.actions) known.actions.add(action);
  }
  return [...merged.values()].map(({ type, name, actions }) => ({ type, name, actions: [...actions] }));
}

function parseScope(entry: string): Scope | undefined {
  const first = entry.indexOf(':');
  const last = entry.lastIndexOf(':');
  if (first < 0 || last === first) return undefined;
  const type = entry.slice(0, first).replace(/\([a-z0-9]*\)$/, '');
  const name = entry.slice(first + 1, last);
  const actions = entry.slice(last + 1).split(',');
  if (type === 'registry') return name === 'catalog' ? { type, name, actions: only(actions, ['*']) } : undefined;
  if (type !== 'repository') return undefined;
  const repository = withoutHost(name);
  return isRepositoryName(repository)
    ? { type, name: repository, actions: only(actions, [...repositoryWords, '*']) }
    : undefined;
}

/** The grammar allows `host[:port]/path`; only a name with a port can be told from a repository's first segment. */
function withoutHost(name: string): string {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  return first.includes(':') && isHost(first) ? name.slice(slash + 1) : name;
}

function only(actions: readonly string[], known: readonly string[]): string[] {
  return [...new Set(actions)].filter((action) => known.includes(action));
}

/** What is left of the asked scopes once `may` has been asked for every repository word and for the catalog. Pure. */
export function grantable(
  asked: readonly Scope[],
  may: (action: Action, repository: string | undefined) => boolean,
): Scope[] {
  return asked
    .map((scope) => ({ ...scope, actions: scope.type === 'registry' ? catalog(scope, may) : words(scope, may) }))
    .filter(({ actions }) => actions.length > 0);
}

function catalog(scope: Scope, may: (action: Action, repository: undefined) => boolean): string[] {
  return scope.actions.includes('*') && may('List', undefined) ? ['*'] : [];
}

function words({ name, actions }: Scope, may: (action: Action, repository: string) => boolean): string[] {
  const everything = actions.includes('*');
  const allowed = repositoryWords.filter((word) => (everything || actions.includes(word)) && may(actionOf(word), name));
  return everything && allowed.length === repositoryWords.length ? ['*'] : allowed;
}

/** Whether a token's grants cover an action. `undefined` is the registry as a whole. */
export function covers(grants: readonly Scope[], action: Action, repository: string | undefined): boolean {
  if (action === 'List') return grants.some(({ type, actions }) => type === 'registry' && actions.includes('*'));
  const word = wordOf(action);
  if (word === undefined) return false;
  if (repository === undefined) return true;
  return grants.some(
    ({ type, name, actions }) =>
      type === 'repository' && name === repository && (actions.includes(word) || actions.includes('*')),
  );
}

/** The scope of a challenge: what a client should ask a token for. Push implies pull, as clients expect. */
export function scopeFor(action: Action, repository: string | undefined): string | undefined {
  if (action === 'List') return 'registry:catalog:*';
  const word = wordOf(action);
  if (word === undefined || repository === undefined) return undefined;
  return `repository:${repository}:${word === 'push' ? 'pull,push' : word}`;
}
