/** Which rules keep which repositories in step, and whether what goes one way comes back. Pure. */
import { type Endpoint, hasPattern, placeOf } from '../../domain/replication/endpoint.ts';
import { nameAtTarget, repositoryMatcher } from '../../domain/replication/repositories.ts';
import type { ReturnsQuestion } from './context.ts';
import { connectionOf, type LoadedRule } from './document.ts';
import type { Flows } from './side.ts';
import type { Peers } from './state.ts';

/** A rule of this registry, with what is known of the registries that it names. */
export interface KnownRule {
  readonly loaded: LoadedRule;
  readonly peers: Peers;
}

const own = 'self';

/** With which registries a repository of this one is kept in step. */
export function flowsOf(rules: readonly KnownRule[], repository: string): Flows {
  const to: string[] = [];
  const from: string[] = [];
  for (const { loaded, peers } of rules) {
    const { source, targets } = loaded.rule;
    if (keyOf(source, loaded) === own && repositoryMatcher(source.path)(repository)) {
      for (const target of targets) to.push(...known(peers.targets[target.text]));
    }
    const arrives = targets.some(
      (target) => keyOf(target, loaded) === own && comesFrom(source, target, repository) !== undefined,
    );
    if (arrives) from.push(...known(peers.source));
  }
  return { to: [...new Set(to)], from: [...new Set(from)] };
}

/** Whether what is changed at a target comes back to the source: by a rule here, or by one that either end tells of. */
export function comesBack(rules: readonly LoadedRule[], loaded: LoadedRule, question: ReturnsQuestion): boolean {
  const { source, listing } = question;
  if (tells(listing.flows?.to, source.identity) || tells(source.flows?.from, listing.identity)) return true;
  const target = loaded.rule.targets.find(({ text }) => text === question.target);
  return target !== undefined && rules.some((other) => leadsBack(other, { loaded, target, question }));
}

function leadsBack(
  other: LoadedRule,
  { loaded, target, question }: { loaded: LoadedRule; target: Endpoint; question: ReturnsQuestion },
): boolean {
  const { source, targets } = other.rule;
  if (keyOf(source, other) !== keyOf(target, loaded) || !repositoryMatcher(source.path)(question.name)) return false;
  return targets.some(
    (each) =>
      keyOf(each, other) === keyOf(loaded.rule.source, loaded) &&
      nameAtTarget(source.path, question.name, each.path) === question.repository,
  );
}

/** The repository of the source that is called `name` at the target. */
function comesFrom(source: Endpoint, target: Endpoint, name: string): string | undefined {
  if (!hasPattern(source.path))
    return nameAtTarget(source.path, source.path, target.path) === name ? source.path : undefined;
  const parts = source.path.split('/');
  const fixed = parts.slice(0, parts.findIndex(hasPattern));
  if (target.path !== '' && !name.startsWith(`${target.path}/`)) return undefined;
  const matched = target.path === '' ? name : name.slice(target.path.length + 1);
  const repository = [...fixed, matched].join('/');
  return repositoryMatcher(source.path)(repository) ? repository : undefined;
}

/** The same registry has the same key in every rule. */
function keyOf(endpoint: Endpoint, { connections }: LoadedRule): string {
  const connection = connectionOf(endpoint, connections);
  if (connection?.self === true) return own;
  return connection?.host.toLowerCase() ?? placeOf(endpoint);
}

/** Nothing for a registry of another kind, which keeps no versions; `?` for one that was not reached yet. */
function known(identity: string | null | undefined): string[] {
  return identity === null ? [] : [identity ?? '?'];
}

function tells(identities: readonly string[] | undefined, identity: string | undefined): boolean {
  return identity !== undefined && (identities?.some((each) => each === identity || each === '?') ?? false);
}
