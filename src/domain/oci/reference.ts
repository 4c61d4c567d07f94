/**
 * Names of repositories, tags and images: OCI distribution-spec v1.1 §"Pulling manifests" for `<name>` and `<reference>`.
 */
import { type Digest, isDigest } from './digest.ts';

/** The longest repository name that this project takes: clients limit `<name>` to 255 characters. */
export const maxRepositoryLength = 255;

const repositoryPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const hostnamePattern = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
const addressPattern = /^\[[0-9a-f:.]*:[0-9a-f:.]*\]$/;

/** An image as people write it: `host[:port]/repository[:tag][@digest]`. */
export interface Reference {
  /** Lower case, with the port where one was written: `registry.example.com:5000`, `[::1]:5000`. */
  readonly host: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/** A reference that does not follow the grammar. The message says which part, and how it should look. */
export class InvalidReference extends Error {
  constructor(text: string, problem: string) {
    super(`invalid image reference ${JSON.stringify(shorten(text))}: ${problem}`);
    this.name = 'InvalidReference';
  }
}

/** Whether `text` is a repository `<name>`: lower-case path segments, at most 255 characters in all. */
export function isRepositoryName(text: string): boolean {
  return text.length <= maxRepositoryLength && repositoryPattern.test(text);
}

/** Whether `text` is a tag: at most 128 of `A-Z a-z 0-9 . _ -`, the first neither a dot nor a dash. */
export function isTag(text: string): boolean {
  return tagPattern.test(text);
}

/** Whether `text` is `host[:port]`: a DNS name, an IPv4 address or an IPv6 address in brackets. */
export function isHost(text: string): boolean {
  const { name, port } = splitPort(text.toLowerCase());
  if (port !== undefined && !(/^[0-9]{1,5}$/.test(port) && Number(port) > 0 && Number(port) < 65_536)) return false;
  return name.length <= 253 && (hostnamePattern.test(name) || addressPattern.test(name));
}

/**
 * Whether a first path component can only be a registry host and not a part of a repository name: it has a dot or a
 * colon, or is `localhost` (the rule of Docker's familiar names).
 */
export function looksLikeHost(component: string): boolean {
  return component === 'localhost' || component.includes('.') || component.includes(':');
}

/**
 * Reads `host[:port]/repository[:tag][@digest]`. The host is never guessed; `docker.io/NAME` stands for
 * `docker.io/library/NAME`, as everywhere.
 * @throws InvalidReference naming the part that is wrong
 */
export function parseReference(text: string): Reference {
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const { name, tag } = splitTag(at < 0 ? text : text.slice(0, at));
  const { host, repository } = splitHost(text, name);

  if (tag !== undefined && !isTag(tag)) {
    throw new InvalidReference(
      text,
      `the tag ${JSON.stringify(shorten(tag))} must be 1 to 128 of A-Z a-z 0-9 . _ - and not start with . or -`,
    );
  }
  if (digest !== undefined && !isDigest(digest)) {
    throw new InvalidReference(
      text,
      'the digest after @ must be sha256: with 64, or sha512: with 128 lower-case hex digits',
    );
  }
  return { host, repository, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

/** Writes a reference as `parseReference` reads it. */
export function formatReference(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${reference.host}/${reference.repository}${tag}${digest}`;
}

/** What a manifest is asked for by: the digest where there is one, else the tag, else `latest`. */
export function manifestNameOf(reference: Reference): string {
  return reference.digest ?? reference.tag ?? 'latest';
}

function splitHost(text: string, name: string): { host: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? name : name.slice(0, slash);
  if (slash < 0 || !looksLikeHost(first)) {
    throw new InvalidReference(
      text,
      `it must start with a registry host, for example registry.example.com/${suggestion(name)}`,
    );
  }
  const host = first.toLowerCase();
  if (!isHost(host))
    throw new InvalidReference(
      text,
      `${JSON.stringify(shorten(first))} is no host name or address with an optional port`,
    );

  const path = name.slice(slash + 1);
  const repository = isDockerHub(host) && !path.includes('/') ? `library/${path}` : path;
  if (repository.length > maxRepositoryLength) {
    throw new InvalidReference(text, `the repository name is longer than ${maxRepositoryLength} characters`);
  }
  if (!isRepositoryName(repository)) {
    const hint = isRepositoryName(repository.toLowerCase()) ? ' (it has upper-case letters)' : '';
    throw new InvalidReference(
      text,
      `the repository ${JSON.stringify(shorten(path))} must be lower-case letters and digits, joined by . _ __ - or /${hint}`,
    );
  }
  return { host, repository };
}

function splitTag(name: string): { name: string; tag?: string } {
  const colon = name.lastIndexOf(':');
  if (colon < 0 || colon < name.lastIndexOf('/')) return { name };
  // `host:5000` with no path is a host with a port, which splitHost then complains about in clearer words.
  if (!name.includes('/')) return { name };
  return { name: name.slice(0, colon), tag: name.slice(colon + 1) };
}

function splitPort(host: string): { name: string; port?: string } {
  const colon = host.lastIndexOf(':');
  if (colon < 0 || colon < host.lastIndexOf(']')) return { name: host };
  return { name: host.slice(0, colon), port: host.slice(colon + 1) };
}

function isDockerHub(host: string): boolean {
  return host === 'docker.io' || host === 'index.docker.io';
}

function suggestion(name: string): string {
  return isRepositoryName(name) ? name : 'team/app:1.0';
}

function shorten(text: string): string {
  return text.length <= 120 ? text : `${text.slice(0, 117)}...`;
}
