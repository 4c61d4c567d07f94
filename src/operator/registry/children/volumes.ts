import type { RegistryComponent } from '../names.ts';
import { paths } from '../paths.ts';
import type { Site } from '../site.ts';
import { authorities } from './places.ts';

export interface Mount {
  readonly volume: { readonly name: string; readonly [source: string]: unknown };
  readonly path: string;
  readonly readOnly: boolean;
}

/** A Secret of which the pod gets these keys; all of them where none are named. */
interface MountedSecret {
  readonly name: string;
  readonly secretName: string;
  readonly keys?: readonly string[];
  readonly path: string;
}

/** What the registry's pod, or that of its workers, mounts, and where. */
export function volumes(site: Site, component: RegistryComponent): Mount[] {
  const backupClaim = site.spec.backup?.target.existingClaim;
  return [
    ...(site.volumeClaim === undefined ? [] : [claim('data', site.volumeClaim, paths.data)]),
    ...(backupClaim === undefined ? [] : [claim('backup', backupClaim, paths.backup)]),
    { volume: { name: 'tmp', emptyDir: { sizeLimit: '64Mi' } }, path: paths.temporary, readOnly: false },
    ...mountedSecrets(site, component).map(({ name, secretName, keys, path }) => ({
      volume: { name, secret: { secretName, defaultMode: 0o440, ...(keys && { items: items(keys) }) } },
      path,
      readOnly: true,
    })),
  ];
}

function claim(name: string, claimName: string, path: string): Mount {
  return { volume: { name, persistentVolumeClaim: { claimName } }, path, readOnly: false };
}

function items(keys: readonly string[]): object[] {
  return keys.map((key) => ({ key, path: key }));
}

/** The Secrets that the pod reads. Private halves that are the operator's, and the plain password, stay out of it. */
export function mountedSecrets(site: Site, component: RegistryComponent): MountedSecret[] {
  const { names, spec } = site;
  const document = component === 'registry' ? 'config.yaml' : 'workers.yaml';
  const bootstrap = [document, ...Object.keys(authorities(site))];
  return [
    { name: 'bootstrap', secretName: names.bootstrap, keys: bootstrap, path: paths.bootstrap },
    ...(component === 'registry'
      ? forClients(site)
      : [{ name: 'keys', secretName: names.keys, keys: ['token.key'], path: paths.keys }]),
    // Whole: which of their keys are there (a session token; a uri or its parts) is theirs to say.
    ...named('s3', spec.storage?.s3?.secretRef, paths.bucket),
    ...named('postgres', spec.metadata?.postgres?.secretRef, paths.database),
    ...named('backup-s3', spec.backup?.target.s3?.secretRef, paths.backupBucket),
  ];
}

/** Of what only those need who speak with clients. */
function forClients({ names, spec, certificateSecret }: Site): MountedSecret[] {
  return [
    { name: 'keys', secretName: names.keys, keys: ['token.key', 'admin.pub'], path: paths.keys },
    ...(certificateSecret === undefined
      ? []
      : [{ name: 'tls', secretName: certificateSecret, keys: ['tls.crt', 'tls.key'], path: paths.tls }]),
    { name: 'users-0', secretName: names.administrator, keys: ['htpasswd'], path: `${paths.users}/0` },
    ...named('users-1', spec.auth?.htpasswd?.secretRef, `${paths.users}/1`, ['htpasswd']),
  ];
}

function named(
  name: string,
  ref: { readonly name: string } | undefined,
  path: string,
  keys?: readonly string[],
): MountedSecret[] {
  if (ref === undefined) return [];
  return [{ name, secretName: ref.name, path, ...(keys && { keys }) }];
}
