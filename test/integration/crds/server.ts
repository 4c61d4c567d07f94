import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse, parseAllDocuments } from 'yaml';
import { type Answer, type BareApiServer, startBareApiServer } from '../../e2e/cluster/apiserver.ts';
import { until } from '../registry/space/until.ts';

export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: unknown;
}

export type Kind = 'Registry' | 'ReplicationRule' | 'RetentionPolicy';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PLURALS = { Registry: 'registries', ReplicationRule: 'replicationrules', RetentionPolicy: 'retentionpolicies' };

/** A node of a schema, as far as tests look at it. */
export interface Node {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
}

export interface Definition {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly names: { readonly kind: Kind; readonly plural: string };
    readonly versions: readonly [{ readonly schema: { readonly openAPIV3Schema: Node } }];
  };
}

/** The definitions in `crds/`, by file. */
export function definitions(): readonly Definition[] {
  return readdirSync(`${ROOT}crds`).map((file) => parse(readFileSync(`${ROOT}crds/${file}`, 'utf8')));
}

/** The objects of our kinds in one file of `config/samples/`. */
export function samples(file: string): readonly Resource[] {
  const text = readFileSync(`${ROOT}config/samples/${file}`, 'utf8');
  const documents = parseAllDocuments(text) as { toJSON(): Resource }[];
  return documents.map((document) => document.toJSON()).filter(({ kind }) => kind in PLURALS);
}

export function sampleFiles(): readonly string[] {
  return readdirSync(`${ROOT}config/samples`).filter((file) => file.endsWith('.yaml'));
}

/** A real API server that knows our kinds. */
export async function startWithDefinitions(): Promise<BareApiServer> {
  const api = await startBareApiServer();
  try {
    for (const definition of definitions()) await establish(api, definition.metadata.name, definition);
    for (const { spec } of definitions()) await serve(api, spec.names);
    return api;
  } catch (error) {
    await api.stop();
    throw error;
  }
}

async function establish(api: BareApiServer, name: string, definition: unknown): Promise<void> {
  const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`;
  const applied = await api.request('PATCH', `${path}?fieldManager=test&fieldValidation=Strict`, definition);
  assert.equal(applied.status, 201, JSON.stringify(applied.body));
  await until(`${name} is established`, async () => {
    const { body } = await api.request('GET', path);
    const conditions = (body.status?.conditions ?? []) as { type: string; status: string }[];
    return conditions.some(({ type, status }) => type === 'Established' && status === 'True');
  });
}

/** What is established is served, discovered and described a little later: each hears of it by a watch of its own. */
async function serve(api: BareApiServer, { kind, plural }: Definition['spec']['names']): Promise<void> {
  const group = 'apis/ne-registry.io/v1alpha1';
  await until(`${kind} is served, discovered and described`, async () => {
    if ((await api.request('GET', path(kind))).status !== 200) return false;
    const { body } = await api.request('GET', `/${group}`);
    const resources = (body.resources ?? []) as { name: string }[];
    if (!resources.some(({ name }) => name === plural)) return false;
    const described = await api.request('GET', `/openapi/v3/${group}`);
    return described.status === 200 && JSON.stringify(described.body).includes(`"kind":"${kind}"`);
  });
}

export function path(kind: Kind, name?: string): string {
  const collection = `/apis/ne-registry.io/v1alpha1/namespaces/default/${PLURALS[kind]}`;
  return name === undefined ? collection : `${collection}/${name}`;
}

export function resource(kind: Kind, spec: unknown, name = 'it'): Resource {
  return { apiVersion: 'ne-registry.io/v1alpha1', kind, metadata: { name, namespace: 'default' }, spec };
}

/** What the API server says to a new object, which it does not keep. */
export async function tryCreate(api: BareApiServer, object: Resource): Promise<Answer> {
  return await api.request('POST', `${path(object.kind as Kind)}?dryRun=All&fieldValidation=Strict`, {
    ...object,
    metadata: { ...object.metadata, namespace: 'default' },
  });
}

/** What the API server says when the spec `from` becomes `to`. */
export async function tryChange(api: BareApiServer, kind: Kind, from: unknown, to: unknown): Promise<Answer> {
  const name = `change-${Math.random().toString(36).slice(2)}`;
  const created = await api.request('POST', `${path(kind)}?fieldValidation=Strict`, resource(kind, from, name));
  assert.equal(created.status, 201, created.body.message);
  const { resourceVersion } = created.body.metadata;
  const object = resource(kind, to, name);
  const changed = { ...object, metadata: { ...object.metadata, resourceVersion } };
  const answer = await api.request('PUT', `${path(kind, name)}?fieldValidation=Strict`, changed);
  await api.request('DELETE', path(kind, name));
  return answer;
}

/** Asserts that the API server refused, and that its message is one a user can act on. */
export function assertRefused({ status, body }: Answer, message: RegExp): void {
  assert.ok(status === 422 || status === 400, `accepted, or failed otherwise: ${status} ${JSON.stringify(body)}`);
  assert.match(body.message, message);
}
