import { hostnameOf, isInward, isLoopback } from '../http/address.ts';

export interface RealmQuestion {
  /** The registry as it was reached. */
  readonly registry: URL;
  /** Whether its certificate was verified. */
  readonly verified: boolean;
  /** What its challenge named. */
  readonly realm: URL;
  /** Whether the user configured credentials for the realm's own host. */
  readonly realmHasCredentials: boolean;
}

/** Whose credentials a token endpoint is given; `nobody` means it is asked anonymously. */
export type RealmAnswer = 'registry' | 'realm' | 'nobody' | 'refuse';

/**
 * Decides which credentials go to the realm that a registry named (distribution CVE-2026-33540).
 * A registry whose certificate was verified could ask for Basic itself, so a realm it names over https learns nothing
 * that the registry could not (Docker Hub and GitLab need this). Anybody on the path could have written a challenge
 * that came over plain HTTP or unverified TLS: then credentials stay with the registry's own host.
 */
export function credentialsForRealm({ registry, verified, realm, realmHasCredentials }: RealmQuestion): RealmAnswer {
  if (!isPlainUrl(realm)) return 'refuse';
  if (realm.origin === registry.origin) return 'registry';

  const downgrade = registry.protocol === 'https:' && realm.protocol === 'http:';
  const sameName = hostnameOf(realm.host) === hostnameOf(registry.host);
  if (sameName) return downgrade ? 'nobody' : 'registry';

  const inward = isLoopback(realm.host) || isInward(hostnameOf(realm.host));
  if (inward) return isLoopback(registry.host) && !downgrade ? 'registry' : 'refuse';
  if (realmHasCredentials && realm.protocol === 'https:') return 'realm';
  return verified && registry.protocol === 'https:' && realm.protocol === 'https:' ? 'registry' : 'nobody';
}

/** http or https, with no user in it. */
function isPlainUrl(url: URL): boolean {
  return /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
}
