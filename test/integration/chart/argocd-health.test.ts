/** docs/argocd/health.lua, run by Lua 5.3 on objects as the operator leaves them. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { attempt, run } from '../../e2e/cluster/command.ts';

const FOLDER = new URL('../../../docs/argocd/', import.meta.url);
const KINDS = ['Registry', 'ReplicationRule', 'RetentionPolicy'];
const lua = await attempt('lua5.3', ['-v']).catch(() => undefined);

interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}

async function health(object: object): Promise<{ status: string; message: string }> {
  const script = await readFile(new URL('health.lua', FOLDER), 'utf8');
  const program = `obj = ${literal(object)}\nlocal h = (function()\n${script}\nend)()\nprint(h.status)\nprint(h.message)`;
  const [status = '', message = ''] = (await run('lua5.3', ['-'], { input: program })).split('\n');
  return { status, message };
}

function literal(value: unknown): string {
  if (Array.isArray(value)) return `{${value.map(literal).join(', ')}}`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, inner]) => `[${JSON.stringify(key)}] = ${literal(inner)}`)
    .join(', ')}}`;
}

function object(
  conditions: Condition[],
  more: { generation?: number; spec?: object; deleting?: boolean } = {},
): object {
  return {
    metadata: {
      generation: more.generation ?? 3,
      ...(more.deleting ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: more.spec ?? {},
    status: { observedGeneration: 3, conditions },
  };
}

const ready = (status: string, message = 'why'): Condition => ({ type: 'Ready', status, reason: 'Because', message });
const yes = (type: string, message = 'why'): Condition => ({ type, status: 'True', reason: 'Because', message });

const CASES: [string, object, string, RegExp][] = [
  ['just created, no status', { metadata: { generation: 1 }, spec: {} }, 'Progressing', /operator/],
  [
    'default status of the CRD',
    { metadata: { generation: 1 }, status: { observedGeneration: -1 } },
    'Progressing',
    /operator/,
  ],
  ['in progress', object([ready('Unknown', 'pods start'), yes('Reconciling')]), 'Progressing', /pods start/],
  ['failing and tried again', object([ready('False', 'no image'), yes('Reconciling')]), 'Progressing', /no image/],
  ['stalled', object([ready('False'), yes('Stalled', 'Secret x is missing')]), 'Degraded', /Secret x is missing/],
  ['not ready and not tried again', object([ready('False', 'broken')]), 'Degraded', /broken/],
  ['done', object([ready('True', 'serves')]), 'Healthy', /serves/],
  ['done, but for an older spec', object([ready('True')], { generation: 4 }), 'Progressing', /operator/],
  ['suspended', object([ready('True')], { spec: { suspend: true } }), 'Suspended', /suspend/],
  ['being deleted', object([ready('True')], { deleting: true }), 'Progressing', /deleted/],
];

describe('Argo CD health', { skip: lua === undefined ? 'lua5.3 is not installed' : false }, () => {
  for (const [name, input, status, message] of CASES) {
    test(name, async () => {
      const answer = await health(input);
      assert.equal(answer.status, status);
      assert.match(answer.message, message);
    });
  }
});

test('the patch for argocd-cm holds that very check for each kind', async () => {
  const script = await readFile(new URL('health.lua', FOLDER), 'utf8');
  const { data } = parse(await readFile(new URL('argocd-cm.yaml', FOLDER), 'utf8')) as { data: Record<string, string> };
  const wanted = KINDS.map((kind) => [`resource.customizations.health.ne-registry.io_${kind}`, script]);
  assert.deepEqual(data, Object.fromEntries(wanted));
});
