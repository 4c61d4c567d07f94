/** The places that a rule names: `host[:port]/path`, or `registry://NAME[.NAMESPACE]/path` for a Registry of the cluster. */
import { isHost, isRepositoryName } from '../oci/reference.ts';

export interface Endpoint {
  /** As the rule writes it. */
  readonly text: string;
  /** `host[:port]` in lower case; undefined for `registry://`. */
  readonly host?: string;
  /** `NAME` or `NAME.NAMESPACE` of `registry://`. */
  readonly registry?: string;
  /** Of the source a pattern, of a target a repository's name, its beginning, or nothing. */
  readonly path: string;
}

const registryName = /^[a-z](?:[-a-z0-9]{0,38}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)?$/;
/** Addresses that only the machine itself has, where clouds serve the machine's credentials (RFC 3927, RFC 4291 §2.5.6). */
const linkLocal = /^(169\.254\.|\[fe[89ab][0-9a-f]:|\[fd00:ec2:)/;
const patternPath = /^[a-z0-9*?](?:[-a-z0-9._/*?]*[a-z0-9*?])?$/;

/** Reads a source. @returns what is wrong with it where it is none */
export function readSource(text: string): Endpoint | string {
  const endpoint = split(text);
  if (typeof endpoint === 'string') return endpoint;
  const { path } = endpoint;
  if (!patternPath.test(path) || path.includes('//')) {
    return 'must name a repository after the host, such as host/team/app or host/team/*, without a tag';
  }
  if (hasPattern(path)) return endpoint;
  if (!isRepositoryName(path)) return 'the path after the host is no name of a repository';
  return isHub(endpoint) && !path.includes('/') ? { ...endpoint, path: `library/${path}` } : endpoint;
}

/** Docker Hub keeps what has no owner under `library/`. */
function isHub({ host }: Endpoint): boolean {
  return host === 'docker.io' || host === 'index.docker.io';
}

/** Reads a target. @returns what is wrong with it where it is none */
export function readTarget(text: string): Endpoint | string {
  const endpoint = split(text);
  if (typeof endpoint === 'string' || endpoint.path === '') return endpoint;
  if (hasPattern(endpoint.path)) return 'must hold no pattern; what the pattern of the source matches is appended';
  return isRepositoryName(endpoint.path) ? endpoint : 'the path after the host is no name of a repository';
}

/** What connections are found by: `registry://NAME[.NAMESPACE]`, or the host. */
export function placeOf({ registry, host = '' }: Endpoint): string {
  return registry === undefined ? host : `registry://${registry}`;
}

export function hasPattern(path: string): boolean {
  return /[*?]/.test(path);
}

function split(text: string): Endpoint | string {
  const registry = /^registry:\/\/([^/]*)(?:\/(.*))?$/s.exec(text);
  if (registry !== null) {
    const [, name = '', path = ''] = registry;
    if (!registryName.test(name))
      return 'registry:// must be followed by the name of a Registry, NAME or NAME.NAMESPACE';
    return { text, registry: name, path };
  }
  if (text.includes('://')) return 'must be host[:port]/path without a scheme; only registry:// is known';
  const slash = text.indexOf('/');
  const host = (slash < 0 ? text : text.slice(0, slash)).toLowerCase();
  if (!isHost(host)) return `${JSON.stringify(host.slice(0, 80))} is no host name or address with an optional port`;
  if (linkLocal.test(host)) return `${host} is a link-local address: no registry is there; name one by its host name`;
  return { text, host, path: slash < 0 ? '' : text.slice(slash + 1) };
}
