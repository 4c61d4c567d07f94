import { BlockList, isIP } from 'node:net';

const inward = new BlockList();
inward.addSubnet('127.0.0.0', 8, 'ipv4');
inward.addSubnet('0.0.0.0', 8, 'ipv4');
inward.addSubnet('169.254.0.0', 16, 'ipv4');
inward.addAddress('::1', 'ipv6');
inward.addAddress('::', 'ipv6');
inward.addSubnet('fe80::', 10, 'ipv6');
inward.addSubnet('fd00:ec2::', 32, 'ipv6');

/**
 * Whether an IP address is the machine's own or link-local (cloud metadata lives there): where no other server's
 * redirect or token realm may lead us (Quay CVE-2026-2376). IPv4 written inside IPv6 counts as IPv4.
 */
export function isInward(address: string): boolean {
  const bare = address.replace(/^\[|\]$/g, '').replace(/%.*$/, '');
  const family = isIP(bare);
  if (family === 0) return false;
  return inward.check(bare, family === 6 ? 'ipv6' : 'ipv4');
}

/** Whether a URL's or a reference's host name means this machine: `localhost`, `*.localhost`, 127.0.0.0/8, ::1. */
export function isLoopback(host: string): boolean {
  const name = hostnameOf(host);
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  return (isIP(name) === 4 && name.startsWith('127.')) || name === '::1';
}

/** The name or address of `host[:port]`, without brackets. */
export function hostnameOf(host: string): string {
  const bracketed = /^\[([^\]]*)\]/.exec(host);
  if (bracketed !== null) return (bracketed[1] as string).toLowerCase();
  return host.replace(/:\d*$/, '').toLowerCase();
}
