import express, { type Request, type Response, type Router } from 'express';
import * as z from 'zod';
import { Refusal } from '../../domain/errors.ts';
import type { RuleRow, Rules } from '../metadata/rules.ts';
import type { RuleBody, RuleKeeper } from '../rules/keeper.ts';
import { callerName } from './administrators.ts';
import { strictJson } from './strict-body.ts';

export interface RulesRooms {
  readonly metadata: Pick<Rules, 'rule' | 'rules' | 'putRule' | 'deleteRule'>;
  readonly keepers: readonly RuleKeeper[];
  /** Milliseconds since the epoch. */
  now(): number;
}

/** Bytes of a rule with its connections. */
const largest = 4 * 1024 * 1024;
/** Names of resources (RFC 1123 subdomain). */
const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

const Body = z.strictObject({
  uid: z.string().min(1).max(128),
  generation: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  spec: z.record(z.string(), z.unknown()),
  connections: z.unknown().optional(),
});

/** What the registry shall do beside serving: written by the operator, whole or not at all. */
export function rulesRouter(rooms: RulesRooms): Router {
  const router = express.Router();
  const path = '/admin/v1/rules/:kind';
  router.get(path, async (request, response) => {
    const keeper = keeperOf(rooms, request);
    const rules = [];
    for (const row of await rooms.metadata.rules(keeper.kind)) rules.push(await shown(keeper, row));
    send(response, { rules });
  });
  router.get(`${path}/:name`, async (request, response) => {
    const keeper = keeperOf(rooms, request);
    send(response, await shown(keeper, await ruleOf(rooms, keeper, nameOf(request))));
  });
  router.put(`${path}/:name`, strictJson(largest));
  router.put(`${path}/:name`, async (request, response) => {
    const { generation } = await put(rooms, keeperOf(rooms, request), request, callerName(response));
    send(response, { generation, running: true });
  });
  router.delete(`${path}/:name`, async (request, response) => {
    const keeper = keeperOf(rooms, request);
    const name = nameOf(request);
    if (!(await rooms.metadata.deleteRule(keeper.kind, name))) throw unknown(keeper.kind, name);
    keeper.changed(name);
    response.status(204).end();
  });
  router.post(`${path}/:name/run`, async (request, response) => {
    const keeper = keeperOf(rooms, request);
    const { name } = await ruleOf(rooms, keeper, nameOf(request));
    await keeper.run(name);
    response.status(202).json({ name });
  });
  return router;
}

async function put({ metadata, now }: RulesRooms, keeper: RuleKeeper, request: Request, changedBy: string) {
  const rule = readBody(request);
  const problems = await keeper.validate(rule);
  if (problems.length > 0) throw invalid(rule.name, problems);
  const { kind } = keeper;
  const { name, uid, generation } = rule;
  const document = await keeper.document(rule);
  const outcome = await metadata.putRule({ kind, name, uid, generation, document, changedAt: now(), changedBy });
  if (outcome === 'older')
    throw new Refusal('UNSUPPORTED', `a newer generation of the ${kind} rule ${name} runs already`, { status: 409 });
  if (outcome === 'stored') keeper.changed(name);
  return rule;
}

function readBody(request: Request): RuleBody {
  const name = nameOf(request);
  const parsed = Body.safeParse(request.body);
  if (parsed.success) {
    const { connections, ...rest } = parsed.data;
    return { name, ...rest, ...(connections !== undefined && { connections }) };
  }
  throw invalid(
    name,
    parsed.error.issues.map(({ path, message }) => `${path.map(String).join('.') || 'the body'}: ${message}`),
  );
}

function invalid(name: string, problems: readonly string[]): Refusal {
  const message = `the rule ${name} is not valid, and nothing of it was applied: ${problems.join('; ')}`;
  return new Refusal('UNSUPPORTED', message, { status: 400, detail: { problems } });
}

async function shown(keeper: RuleKeeper, row: RuleRow) {
  const { name, uid, generation } = row;
  return { name, uid, generation, spec: keeper.spec(row), state: await keeper.state(row) };
}

function keeperOf({ keepers }: RulesRooms, { params }: Request): RuleKeeper {
  const keeper = keepers.find(({ kind }) => kind === params.kind);
  if (keeper !== undefined) return keeper;
  const known = keepers.map(({ kind }) => kind).join(', ');
  throw new Refusal('UNSUPPORTED', `there are no rules of the kind ${params.kind}; there are ${known}`, {
    status: 404,
  });
}

async function ruleOf({ metadata }: RulesRooms, { kind }: RuleKeeper, name: string): Promise<RuleRow> {
  const row = await metadata.rule(kind, name);
  if (row === undefined) throw unknown(kind, name);
  return row;
}

function nameOf({ params }: Request): string {
  const name = String(params.name);
  if (NAME.test(name)) return name;
  throw new Refusal('UNSUPPORTED', `${JSON.stringify(name)} is no name of a resource`, { status: 400 });
}

function unknown(kind: string, name: string): Refusal {
  return new Refusal('UNSUPPORTED', `there is no ${kind} rule ${name}`, { status: 404 });
}

function send(response: Response, body: object): void {
  response.set('cache-control', 'no-store').json(body);
}
