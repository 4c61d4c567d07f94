import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { isAuthority } from './challenge.ts';
import type { Caller } from './contract.ts';

/** Peers whose `X-Forwarded-For`, `-Proto` and `-Host` are believed. */
export class TrustedProxies {
  readonly #list = new BlockList();
  readonly #any: boolean;

  /** @throws Error naming the entry that is no address and no CIDR */
  constructor(cidrs: readonly string[]) {
    this.#any = cidrs.length > 0;
    for (const cidr of cidrs) addTo(this.#list, cidr);
  }

  has(address: string): boolean {
    if (!this.#any) return false;
    const family = isIP(address);
    return family !== 0 && this.#list.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }
}

function addTo(list: BlockList, cidr: string): void {
  const [address = '', prefix] = cidr.split('/', 2);
  const family = isIP(address);
  const bits = prefix === undefined ? (family === 6 ? 128 : 32) : Number(prefix);
  const wellFormed = cidr.split('/').length <= 2 && (prefix === undefined || /^\d{1,3}$/.test(prefix));
  if (family === 0 || !wellFormed || bits > (family === 6 ? 128 : 32)) {
    throw new Error(`${JSON.stringify(cidr)} is no address and no CIDR, such as 10.0.0.0/8 or fd00::/8`);
  }
  list.addSubnet(address, bits, family === 6 ? 'ipv6' : 'ipv4');
}

export interface CallerSettings {
  readonly proxies: TrustedProxies;
  /** Stands in where a client names no host (HTTP/1.0). */
  readonly fallbackAuthority: string;
}

/** What of a request matters to authentication. Forwarded headers count only from a trusted peer. */
export function callerOf(
  request: Pick<IncomingMessage, 'socket' | 'headers'>,
  { proxies, fallbackAuthority }: CallerSettings,
): Caller {
  const { socket, headers } = request;
  const peer = plain(socket.remoteAddress ?? '');
  const forwarded = proxies.has(peer);
  const host = (forwarded ? last(headers['x-forwarded-host']) : undefined) ?? headers.host;
  const proto = forwarded ? last(headers['x-forwarded-proto']) : undefined;
  return {
    authorization: headers.authorization,
    authority: host !== undefined && isAuthority(host) ? host : fallbackAuthority,
    secure: proto === undefined ? (socket as TLSSocket).encrypted === true : proto.toLowerCase() === 'https',
    address: forwarded ? clientAddress(headers['x-forwarded-for'], peer, proxies) : peer,
  };
}

/** Read from the right: each trusted proxy vouches for the entry before it; the first that is none is the client. */
function clientAddress(header: string | string[] | undefined, peer: string, proxies: TrustedProxies): string {
  const hops = String(header ?? '').split(',');
  let address = peer;
  for (const hop of hops.reverse()) {
    const next = plain(hop.trim());
    if (isIP(next) === 0) return address;
    address = next;
    if (!proxies.has(next)) return address;
  }
  return address;
}

/** Without port and brackets; IPv4 in IPv6 as IPv4, so that one client has one address. */
function plain(address: string): string {
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(address)?.[1] ?? address.replace(/^([\d.]+):\d+$/, '$1');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1];
  return mapped ?? bare;
}

/** The value that the nearest proxy wrote: the others may be the client's own. */
function last(header: string | string[] | undefined): string | undefined {
  return header === undefined ? undefined : String(header).split(',').at(-1)?.trim();
}
