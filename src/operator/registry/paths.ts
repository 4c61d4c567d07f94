/** Where things are inside the registry's pod, and the ports that it listens on. */
export const ports = { api: 5000, management: 9090 } as const;

export const paths = {
  data: '/var/lib/ne-registry',
  bootstrap: '/etc/ne-registry/bootstrap',
  keys: '/etc/ne-registry/keys',
  tls: '/etc/ne-registry/tls',
  users: '/etc/ne-registry/users',
  /** The Secret with the store's credentials, one file a key. */
  bucket: '/etc/ne-registry/s3',
  /** The Secret with the database's address and credentials, one file a key. */
  database: '/etc/ne-registry/postgres',
  /** The Secret with the credentials of the bucket that backups go to. */
  backupBucket: '/etc/ne-registry/backup-s3',
  /** The volume that backups go to. */
  backup: '/var/lib/ne-registry-backup',
  temporary: '/tmp',
} as const;

export const files = {
  config: `${paths.bootstrap}/config.yaml`,
  workersConfig: `${paths.bootstrap}/workers.yaml`,
  tokenKey: `${paths.keys}/token.key`,
  adminPublicKey: `${paths.keys}/admin.pub`,
  certificate: `${paths.tls}/tls.crt`,
  certificateKey: `${paths.tls}/tls.key`,
} as const;

/** Whose certificates the registry checks those of its servers against; keys of the bootstrap Secret, beside `config.yaml`. */
export type Authority = 'storage' | 'metadata' | 'backup';

/** Name of the file with the authorities of one server. */
export function authorityFile(of: Authority): string {
  return `${of}-ca.crt`;
}

/** The htpasswd file number `index`: 0 is the first administrator's, the others those that the spec names. */
export function usersFile(index: number): string {
  return `${paths.users}/${index}/htpasswd`;
}

/** The user and group of the image. */
export const registryUser = 65532;
