/** How a rule's places are reached. */
import type { RuleConnection } from '../../api/rules/connection.ts';
import type { Endpoint } from '../../domain/replication/endpoint.ts';
import { needsTimes } from '../../domain/replication/select.ts';
import { ruleAdvice } from '../../transfer/advice.ts';
import { RegistryClient } from '../../transfer/registry/client.ts';
import type { Hosts } from '../../transfer/registry/hosts.ts';
import { connectionOf, type LoadedRule } from './document.ts';
import { OwnSide } from './own/own-side.ts';
import type { Pins } from './own/pins.ts';
import type { OwnReferrers } from './own/referrers.ts';
import type { OwnStores } from './own/write-blob.ts';
import { RemoteSide } from './remote/remote-side.ts';
import type { Side } from './side.ts';

export interface PlaceParts {
  readonly stores: OwnStores;
  readonly hosts: Hosts;
  readonly referrers: OwnReferrers;
  readonly pins: Pins;
  readonly proxyEnv: Readonly<Record<string, string | undefined>>;
}

export interface RulePlaces {
  readonly source: Side;
  readonly targets: readonly Place[];
}

export interface Place {
  /** As the rule writes it. */
  readonly text: string;
  /** Of the repositories there. */
  readonly path: string;
  readonly side: Side;
}

/** What matters of images beside their digests. */
interface Asked {
  readonly signatures: boolean;
  readonly times: boolean;
}

/** A side for the source, and one for each target. */
export function placesOf({ name, rule, connections }: LoadedRule, parts: PlaceParts): RulePlaces {
  const by = `replication/${name}`;
  const sparse = rule.platforms.length > 0;
  const ownsChunks = rule.targets.length === 1;
  const sideOf = (endpoint: Endpoint, asked: Asked, origin: () => string | undefined): Side => {
    const connection = connectionOf(endpoint, connections);
    if (connection?.self === true) return new OwnSide({ ...parts, ...asked, by, sparse, ownsChunks, origin });
    return new RemoteSide({ client: clientOf(endpoint, connection, parts), ...asked });
  };
  const ofSource = { signatures: rule.referrers, times: needsTimes(rule.tags) };
  const source = sideOf(rule.source, ofSource, () => undefined);
  const targets = rule.targets.map((endpoint) => ({
    text: endpoint.text,
    path: endpoint.path,
    side: sideOf(endpoint, { signatures: false, times: false }, () => source.identity ?? undefined),
  }));
  return { source, targets };
}

function clientOf(endpoint: Endpoint, connection: RuleConnection | undefined, parts: PlaceParts): RegistryClient {
  const { hosts, proxyEnv } = parts;
  const host = connection?.host ?? endpoint.host ?? '';
  const trust = connection === undefined ? {} : trustOf(connection);
  return new RegistryClient(host, {
    hosts,
    proxyEnv,
    strict: true,
    advice: ruleAdvice,
    userAgent: 'ne-registry replication',
    // A rule has its own back-off, and a cancelled one ends at once.
    retry: { attempts: 3, baseMs: 300, capMs: 3000, maxRetryAfterMs: 10_000 },
    trust: (name) => (name === host ? trust : {}),
    credentials: async (name) => (name === host && connection !== undefined ? loginOf(connection) : undefined),
  });
}

function trustOf({ insecure, ca, proxy, address }: RuleConnection) {
  return {
    ...(insecure === true && { plainHttp: true }),
    ...(ca !== undefined && { ca: [ca] }),
    ...(proxy !== undefined && { proxy }),
    ...(address !== undefined && { address }),
  };
}

function loginOf({ username, password, identityToken }: RuleConnection) {
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(identityToken !== undefined && { identityToken }),
  };
}
