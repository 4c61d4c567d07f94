/**
 * The registry's configuration: a bootstrap document, from a file or put together from flags. Errors say which file,
 * which line and which key, and what is expected there.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { RegistryBootstrap, type RegistryBootstrapInput } from '../api/bootstrap/v1alpha1.ts';
import { InvalidJson, parseStrictJson } from '../domain/json.ts';
import { codeOf, Fatal, messageOf } from '../platform/fatal.ts';
import type { LogLevel } from '../platform/log.ts';

/** What `serve` takes from the command line when there is no file. */
export interface ServeFlags {
  data: string;
  listen?: string;
  managementListen?: string;
  anonymous?: 'none' | 'pull' | 'push';
  htpasswd?: string[];
  tlsCert?: string;
  tlsKey?: string;
  logLevel?: LogLevel;
}

/** A schema that is used once is not worth being compiled. */
const once = { jitless: true };

const anonymousWords = { none: 'None', pull: 'Pull', push: 'Push' } as const;

/** The document that flags stand for. Throws Fatal (usage) naming the flag that is wrong. */
export function documentFromFlags(flags: ServeFlags): RegistryBootstrap {
  if ((flags.tlsCert === undefined) !== (flags.tlsKey === undefined)) {
    throw new Fatal('--tls-cert and --tls-key go together: give both, or neither for plain HTTP', { exit: 'usage' });
  }
  const { tlsCert, tlsKey } = flags;
  const input: RegistryBootstrapInput = {
    apiVersion: 'bootstrap.ne-registry.io/v1alpha1',
    kind: 'RegistryBootstrap',
    listen: {
      ...(flags.listen === undefined ? {} : { api: flags.listen }),
      ...(flags.managementListen === undefined ? {} : { management: flags.managementListen }),
    },
    ...(tlsCert === undefined || tlsKey === undefined ? {} : { tls: { certFile: tlsCert, keyFile: tlsKey } }),
    storage: { filesystem: { path: flags.data } },
    auth: { anonymous: anonymousWords[flags.anonymous ?? 'none'], htpasswdFiles: flags.htpasswd ?? [] },
    logging: { level: flags.logLevel ?? 'info' },
  };
  const parsed = RegistryBootstrap.safeParse(input, once);
  if (parsed.success) return parsed.data;
  throw new Fatal(`the command line is wrong: ${parsed.error.issues.map((issue) => flagIssue(issue)).join('; ')}`, {
    exit: 'usage',
  });
}

const flagOf: Record<string, string> = {
  'listen.api': '--listen',
  'listen.management': '--management-listen',
  'storage.filesystem.path': '--data',
  'auth.htpasswdFiles': '--htpasswd',
  'tls.certFile': '--tls-cert',
  'tls.keyFile': '--tls-key',
};

function flagIssue({ path, message }: z.core.$ZodIssue): string {
  const key = path.filter((part) => typeof part === 'string').join('.');
  return `${flagOf[key] ?? key}: ${message}`;
}

/** Reads a file of the configuration. Throws Fatal (usage) with the reason and what to do. */
export async function readConfigured(file: string, purpose: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new Fatal(`${purpose} ${file} ${unreadable(cause)}`, { exit: 'usage', cause });
  }
}

function unreadable(error: unknown): string {
  const code = codeOf(error);
  if (code === 'ENOENT') return 'is not there; check the path, or that the Secret is mounted';
  if (code === 'EACCES') return `may not be read by user id ${process.getuid?.() ?? '?'}; change its owner or mode`;
  if (code === 'EISDIR') return 'is a directory; name a file';
  return `cannot be read: ${messageOf(error)}`;
}

/**
 * Reads a bootstrap document in YAML (or JSON). Unknown and repeated keys are errors.
 * @param file names the document in errors
 * @throws Fatal (usage) with every problem, each with its line and key
 */
export async function parseDocument(text: string, file: string): Promise<RegistryBootstrap> {
  return fromJson(text) ?? (await fromYaml(text, file));
}

/** JSON, which is what the operator writes; undefined for all else, and where anything is wrong: YAML's reader says in which line. */
function fromJson(text: string): RegistryBootstrap | undefined {
  if (!text.trimStart().startsWith('{')) return undefined;
  try {
    return RegistryBootstrap.safeParse(parseStrictJson(text), once).data;
  } catch (error) {
    if (error instanceof InvalidJson) return undefined;
    throw error;
  }
}

async function fromYaml(text: string, file: string): Promise<RegistryBootstrap> {
  // Loaded only where there is a file: memory is a feature.
  // It is CommonJS: in a bundle its names are only on `default`.
  const { LineCounter, parseDocument: parseYaml } = (await import('yaml')).default;
  const lines = new LineCounter();
  const yaml = parseYaml(text, { lineCounter: lines, uniqueKeys: true, strict: true, prettyErrors: false });
  const faults = [...yaml.errors, ...yaml.warnings];
  if (faults.length > 0) {
    const problems = faults.map(({ message, pos }) => `line ${lines.linePos(pos[0]).line}: ${message}`);
    throw malformed(file, problems);
  }
  const parsed = RegistryBootstrap.safeParse(toValue(yaml, file), once);
  if (parsed.success) return parsed.data;
  const lineOf = (path: readonly PropertyKey[]): number | undefined => {
    // The key itself may be missing: then its closest parent tells where.
    for (let depth = path.length; depth > 0; depth--) {
      const node = yaml.getIn(path.slice(0, depth), true) as { range?: [number, number, number] } | undefined;
      if (node?.range) return lines.linePos(node.range[0]).line;
    }
    return undefined;
  };
  throw malformed(
    file,
    parsed.error.issues.map((issue) => describe(issue, lineOf)),
  );
}

function toValue(yaml: { toJS(options: { maxAliasCount: number }): unknown }, file: string): unknown {
  try {
    return yaml.toJS({ maxAliasCount: 0 });
  } catch (error) {
    throw malformed(file, [`${messageOf(error)} (aliases are not taken)`]);
  }
}

function describe(issue: z.core.$ZodIssue, lineOf: (path: readonly PropertyKey[]) => number | undefined): string {
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const path = unknown === undefined ? issue.path : [...issue.path, unknown];
  const line = lineOf(path);
  const key = path.length === 0 ? 'the document' : path.map(String).join('.');
  const problem = unknown === undefined ? issue.message : 'this key is not known; check its spelling and indentation';
  return `${line === undefined ? '' : `line ${line}: `}${key}: ${problem}`;
}

function malformed(file: string, problems: readonly string[]): Fatal {
  const shown = problems.slice(0, 20).map((problem) => problem.replace(/\s+/g, ' '));
  const more = problems.length > shown.length ? `; and ${problems.length - shown.length} more` : '';
  return new Fatal(`the configuration ${file} is malformed: ${shown.join('; ')}${more}`, { exit: 'usage' });
}

/** Where the registry keeps files of its own; none where bytes are in a bucket and names in PostgreSQL. */
export function dataDirectoryOf({
  storage,
  metadata,
}: Pick<RegistryBootstrap, 'storage' | 'metadata'>): string | undefined {
  return storage.filesystem?.path ?? metadata.sqlite?.path;
}

/** Files that the registry keeps in its data directory for itself. */
export function ownFiles(
  document: Pick<RegistryBootstrap, 'storage' | 'metadata'>,
): { htpasswd: string; tokenKey: string } | undefined {
  const path = dataDirectoryOf(document);
  return path === undefined ? undefined : { htpasswd: join(path, 'htpasswd'), tokenKey: join(path, 'token.key') };
}
