import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Which writes to count. */
export interface WriteFilter {
  /** Requests received at this time or later. */
  readonly since?: Date;
  /** Exact user name, e.g. `system:serviceaccount:ne-registry:operator`. */
  readonly user?: string;
  /** Beginning of the User-Agent. */
  readonly userAgent?: string;
  /** Resources to leave out, e.g. `leases` or `events`. */
  readonly except?: readonly string[];
}

/** One write as the API server's audit log records it. */
export interface AuditedWrite {
  readonly time: Date;
  readonly verb: string;
  readonly user: string;
  readonly userAgent: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly status: number;
}

/** The writes that the API server was asked for, refused ones included, oldest first; read from its audit log. */
export async function writes(auditLog: string, filter: WriteFilter = {}): Promise<readonly AuditedWrite[]> {
  const found: AuditedWrite[] = [];
  for (const file of await logFiles(auditLog)) {
    for (const line of (await readFile(file, 'utf8')).split('\n')) {
      const write = parse(line);
      if (write !== undefined && matches(write, filter)) found.push(write);
    }
  }
  return found;
}

/** How many writes the API server was asked for; see `writes`. */
export async function countWrites(cluster: { readonly auditLog: string }, filter: WriteFilter = {}): Promise<number> {
  return (await writes(cluster.auditLog, filter)).length;
}

/** The log and its rotated predecessors (`audit-<time>.log`), oldest first. */
async function logFiles(auditLog: string): Promise<readonly string[]> {
  const stem = basename(auditLog, '.log');
  const names = await readdir(dirname(auditLog)).catch(() => {
    throw new Error(`there is no audit log at ${auditLog}: writes can be counted on a built cluster only, not on kind`);
  });
  const rotated = names.filter((name) => name.startsWith(`${stem}-`) && name.endsWith('.log')).sort();
  return [...rotated, basename(auditLog)].map((name) => join(dirname(auditLog), name));
}

interface AuditEvent {
  readonly verb: string;
  readonly requestReceivedTimestamp: string;
  readonly user: { readonly username: string };
  readonly userAgent?: string;
  readonly objectRef?: { readonly resource?: string; readonly subresource?: string; namespace?: string; name?: string };
  readonly responseStatus?: { readonly code?: number };
}

function parse(line: string): AuditedWrite | undefined {
  if (!line.endsWith('}')) return undefined;
  const event = JSON.parse(line) as AuditEvent;
  const { resource = '', subresource, namespace = '', name = '' } = event.objectRef ?? {};
  return {
    time: new Date(event.requestReceivedTimestamp),
    verb: event.verb,
    user: event.user.username,
    userAgent: event.userAgent ?? '',
    resource: subresource === undefined ? resource : `${resource}/${subresource}`,
    namespace,
    name,
    status: event.responseStatus?.code ?? 0,
  };
}

function matches(write: AuditedWrite, filter: WriteFilter): boolean {
  return (
    (filter.since === undefined || write.time >= filter.since) &&
    (filter.user === undefined || write.user === filter.user) &&
    (filter.userAgent === undefined || write.userAgent.startsWith(filter.userAgent)) &&
    !(filter.except ?? []).includes(write.resource)
  );
}
