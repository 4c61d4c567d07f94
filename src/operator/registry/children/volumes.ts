import { paths } from '../paths.ts';
import type { Site } from '../site.ts';

export interface Mount {
  readonly volume: { readonly name: string; readonly [source: string]: unknown };
  readonly path: string;
  readonly readOnly: boolean;
}

/** A Secret of which the pod gets exactly these keys. */
interface MountedSecret {
  readonly name: string;
  readonly secretName: string;
  readonly keys: readonly string[];
  readonly path: string;
}

/** What the registry's pod mounts, and where. */
export function volumes(site: Site): Mount[] {
  return [
    {
      volume: { name: 'data', persistentVolumeClaim: { claimName: site.volumeClaim } },
      path: paths.data,
      readOnly: false,
    },
    { volume: { name: 'tmp', emptyDir: { sizeLimit: '64Mi' } }, path: '/tmp', readOnly: false },
    ...mountedSecrets(site).map(({ name, secretName, keys, path }) => ({
      volume: {
        name,
        secret: { secretName, defaultMode: 0o440, items: keys.map((key) => ({ key, path: key })) },
      },
      path,
      readOnly: true,
    })),
  ];
}

/** The Secrets that the pod reads. Private halves that are the operator's, and the plain password, stay out of it. */
export function mountedSecrets(site: Site): MountedSecret[] {
  const { names, spec, certificateSecret } = site;
  const users = spec.auth?.htpasswd?.secretRef.name;
  return [
    { name: 'bootstrap', secretName: names.bootstrap, keys: ['config.yaml'], path: paths.bootstrap },
    { name: 'keys', secretName: names.keys, keys: ['token.key', 'admin.pub'], path: paths.keys },
    ...(certificateSecret === undefined
      ? []
      : [{ name: 'tls', secretName: certificateSecret, keys: ['tls.crt', 'tls.key'], path: paths.tls }]),
    { name: 'users-0', secretName: names.administrator, keys: ['htpasswd'], path: `${paths.users}/0` },
    ...(users === undefined
      ? []
      : [{ name: 'users-1', secretName: users, keys: ['htpasswd'], path: `${paths.users}/1` }]),
  ];
}
