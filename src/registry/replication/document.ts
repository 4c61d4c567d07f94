/** What is kept of a rule. */
import type { KeyObject } from 'node:crypto';
import { type RuleConnection, RuleConnections } from '../../api/rules/connection.ts';
import { type Endpoint, placeOf } from '../../domain/replication/endpoint.ts';
import { readReplicationRule } from '../../domain/replication/read-rule.ts';
import { InvalidRule, type ReplicationRule } from '../../domain/replication/rule.ts';
import type { RuleRow } from '../metadata/rules.ts';
import type { RuleBody } from '../rules/keeper.ts';
import { seal, unseal } from './sealed.ts';

/** A rule as it is carried out. */
export interface LoadedRule {
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  /** Of the rule that carries this name now. */
  readonly changedAt: number;
  readonly rule: ReplicationRule;
  readonly connections: readonly RuleConnection[];
  /** As it is kept: the same text is the same rule. */
  readonly document: string;
}

interface Document {
  readonly spec: unknown;
  /** Absent where there are none. */
  readonly sealed?: string;
}

/** Everything that is wrong with a rule, each naming its field. */
export function problemsOf({ name, spec, connections }: RuleBody): string[] {
  const problems = name.length > 63 ? ['metadata.name: must be no longer than 63 characters'] : [];
  const parsed = RuleConnections.safeParse(connections ?? []);
  for (const { path, message } of parsed.error?.issues ?? []) {
    problems.push(
      `connections${path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('')}: ${message}`,
    );
  }
  try {
    const rule = readReplicationRule(spec);
    if (parsed.success) problems.push(...unreachable(rule, parsed.data));
  } catch (error) {
    if (!(error instanceof InvalidRule)) throw error;
    problems.push(...error.problems);
  }
  return problems;
}

/** A Registry of the cluster is known by the connection that says where it is. */
function unreachable({ source, targets }: ReplicationRule, connections: readonly RuleConnection[]): string[] {
  return [source, ...targets]
    .filter((endpoint) => endpoint.registry !== undefined && connectionOf(endpoint, connections) === undefined)
    .map((endpoint) => `connections: none is of ${placeOf(endpoint)}, so that nobody knows where that is`);
}

/** JSON: the spec for everybody to see, connections for nobody. */
export function documentOf({ uid, spec, connections = [] }: RuleBody, key: KeyObject): string {
  const known = RuleConnections.parse(connections);
  const document: Document = { spec, ...(known.length > 0 && { sealed: seal(known, key, uid) }) };
  return JSON.stringify(document);
}

/** `spec` as it was PUT. */
export function specOf({ document }: Pick<RuleRow, 'document'>): unknown {
  return (JSON.parse(document) as Document).spec;
}

/** @throws CredentialsLost, InvalidRule */
export function load(row: RuleRow, key: KeyObject): LoadedRule {
  const { name, uid, generation, changedAt } = row;
  const { spec, sealed } = JSON.parse(row.document) as Document;
  const connections = sealed === undefined ? [] : unseal(sealed, key, uid);
  return { name, uid, generation, changedAt, rule: readReplicationRule(spec), connections, document: row.document };
}

/** How a place is reached, where the rule says so. */
export function connectionOf(
  { registry, host }: Endpoint,
  connections: readonly RuleConnection[],
): RuleConnection | undefined {
  return connections.find((each) =>
    registry === undefined
      ? each.registry === undefined && each.host.toLowerCase() === host
      : each.registry === registry,
  );
}
