/**
 * containerd's host configuration (`certs.d/<host>/hosts.toml`), in the form that 1.6 and 2.x read alike. Pure.
 * The first line names the Registry that it was written for: only such files are ever changed or removed.
 */
export interface HostsFile {
  /** The Registry, `namespace/name`. */
  readonly owner: string;
  /** The registry's real address, `https://registry.bank.example`: asked when the route does not answer. */
  readonly server: string;
  /** The way through this node, `https://10.0.0.1:31234`; none where the certificate is not for the node. */
  readonly route: string | undefined;
  /** Whether `ca.crt` beside it holds what to trust. */
  readonly trusted: boolean;
}

export const hostsName = 'hosts.toml';
export const bundleName = 'ca.crt';

const mark = '# Written by ne-registry for Registry';

export function renderHostsFile({ owner, server, route, trusted }: HostsFile): string {
  // A relative path is relative to this file, so the node may have the folder anywhere.
  const ca = trusted ? [`ca = ${quote(bundleName)}`] : [];
  const lines = [
    `${mark} ${owner}`,
    '# Changes are overwritten. It goes when the Registry does, or its spec.nodeAccess.mode becomes None.',
    `server = ${quote(server)}`,
    ...ca,
  ];
  if (route !== undefined) {
    lines.push('', `[host.${quote(route)}]`, '  capabilities = ["pull", "resolve"]', ...ca.map((line) => `  ${line}`));
  }
  return `${lines.join('\n')}\n`;
}

/** The Registry that a file was written for, `undefined` where it is not one of ours. */
export function ownerOf(text: string): string | undefined {
  const first = text.split('\n', 1)[0] ?? '';
  return first.startsWith(`${mark} `) ? first.slice(mark.length + 1).trim() : undefined;
}

/** The folder's name for a server: the host as it stands before an image's name. */
export function hostOf(server: string): string {
  return server.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}

/** The route through a node, with the scheme of the server; IPv6 in brackets. */
export function routeThrough(server: string, address: string, port: number): string {
  const scheme = server.startsWith('http://') ? 'http' : 'https';
  return `${scheme}://${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/** A TOML basic string; hosts, ports and addresses hold nothing that JSON would escape otherwise. */
function quote(text: string): string {
  return JSON.stringify(text);
}
