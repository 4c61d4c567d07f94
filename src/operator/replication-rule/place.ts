/** The places that a rule names, `host[:port]/path` or `registry://NAME[.NAMESPACE]/path`. Pure. */
import type { ReplicationRuleSpec } from './resource.ts';

/** A registry somewhere, by its host. */
export interface HostPlace {
  readonly host: string;
}

/** A Registry of this cluster. */
export interface RegistryPlace {
  /** `NAME` or `NAME.NAMESPACE`, as the spec writes it. */
  readonly registry: string;
  readonly name: string;
  readonly namespace: string;
}

export type Place = HostPlace | RegistryPlace;

/** The place that `text` names, for a rule in `namespace`. The API server has checked its shape. */
export function parsePlace(text: string, namespace: string): Place {
  const registry = /^registry:\/\/([^/]+)/.exec(text)?.[1];
  if (registry === undefined) return { host: (text.split('/')[0] ?? text).toLowerCase() };
  // A Registry's name holds no dot.
  const [name = registry, ...rest] = registry.split('.');
  return { registry, name, namespace: rest.length === 0 ? namespace : rest.join('.') };
}

/** The source and then the targets, each place once. */
export function placesOf(spec: Pick<ReplicationRuleSpec, 'source' | 'targets'>, namespace: string): Place[] {
  const byKey = new Map<string, Place>();
  for (const text of [spec.source, ...spec.targets]) {
    const place = parsePlace(text, namespace);
    const key = isRegistry(place) ? `registry://${place.registry}` : place.host;
    if (!byKey.has(key)) byKey.set(key, place);
  }
  return [...byKey.values()];
}

export function isRegistry(place: Place): place is RegistryPlace {
  return 'registry' in place;
}
