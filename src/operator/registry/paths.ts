/** Where things are inside the registry's pod, and the ports that it listens on. */
export const ports = { api: 5000, management: 9090 } as const;

export const paths = {
  data: '/var/lib/ne-registry',
  bootstrap: '/etc/ne-registry/bootstrap',
  keys: '/etc/ne-registry/keys',
  tls: '/etc/ne-registry/tls',
  users: '/etc/ne-registry/users',
} as const;

export const files = {
  config: `${paths.bootstrap}/config.yaml`,
  tokenKey: `${paths.keys}/token.key`,
  adminPublicKey: `${paths.keys}/admin.pub`,
  certificate: `${paths.tls}/tls.crt`,
  certificateKey: `${paths.tls}/tls.key`,
} as const;

/** The htpasswd file number `index`: 0 is the first administrator's, the others those that the spec names. */
export function usersFile(index: number): string {
  return `${paths.users}/${index}/htpasswd`;
}

/** The user and group of the image. */
export const registryUser = 65532;
