/**
 * Random interleavings of pushes, mounts, pulls, deletes, tag moves, leases, crashes and every single step of the worker, on the
 * real stores, against a model that is obviously right. The history is printed when they disagree.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { blobDigest, bytesOf, House, manifestDigest } from './space/house.ts';
import { blobs, GRACE, images, Model, repositories, tags } from './space/model.ts';

const RUNS = Number(process.env.NE_MODEL_RUNS ?? 150);

const repository = fc.constantFrom(...repositories);
const blob = fc.constantFrom(...blobs);
const image = fc.constantFrom(...images);
const tag = fc.constantFrom(...tags);
const plain = <const Name extends string>(name: Name) => fc.constant({ do: name } as const);

const begin = fc.record({ do: fc.constant('begin' as const), repository, blob });
const put = fc.record({ do: fc.constant('put' as const), repository, image, tag });
const remove = fc.record({ do: fc.constant('delete' as const), repository, image });
const wait = fc.record({ do: fc.constant('wait' as const), for: fc.constantFrom(1, 4999, 5000, GRACE) });
const graceOver = fc.constant({ do: 'wait', for: GRACE } as const);

const client = fc.oneof(
  fc.record({ do: fc.constant('mount' as const), repository, from: repository, blob }),
  fc.record({ do: fc.constant('lease' as const), blob }),
  fc.record({ do: fc.constant('delete-blob' as const), repository, blob }),
  fc.record({ do: fc.constant('look-up' as const), repository, blob }),
  plain('open'),
  begin,
  put,
  remove,
);
const worker = fc
  .constantFrom(...(['condemn', 'drop', 'due', 'unlink', 'forget', 'list', 'judge', 'remove-orphans'] as const))
  .map((name) => ({ do: name }));
const step = fc.oneof(
  { weight: 6, arbitrary: client },
  { weight: 4, arbitrary: worker },
  { weight: 3, arbitrary: wait },
  { weight: 3, arbitrary: fc.oneof(plain('finish'), plain('name')) },
  { weight: 1, arbitrary: fc.oneof(plain('abandon'), plain('restart')) },
);

/** What happens one after the other wherever a registry is used, with anything in between now and then. */
const push = [begin, plain('finish'), plain('name')];
const stories = [
  push,
  [...push, put, wait],
  [put, remove, wait],
  [...push, graceOver, plain('condemn'), client, plain('drop'), plain('due'), plain('unlink'), plain('forget')],
  [plain('condemn'), client, wait, plain('drop'), plain('due'), plain('unlink')],
  [
    begin,
    plain('finish'),
    plain('list'),
    plain('judge'),
    plain('name'),
    plain('remove-orphans'),
    plain('due'),
    plain('unlink'),
  ],
  [plain('restart'), plain('abandon'), plain('list'), plain('judge'), plain('remove-orphans')],
];
const between = fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: step.map((one) => [one]) });
const told = fc
  .constantFrom(...stories)
  .chain((story) => fc.tuple(...story.map((one: fc.Arbitrary<Step>) => fc.tuple(one, between))))
  .map((parts) => parts.flatMap(([one, more]) => [one, ...more]));
const history = fc
  .array(fc.oneof({ weight: 2, arbitrary: told }, { weight: 1, arbitrary: step.map((one) => [one]) }), {
    maxLength: 14,
    size: 'max',
  })
  .map((parts): Step[] => parts.flat());
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Does a step to both. @returns what was answered, and what should have been */
async function both(house: House, model: Model, step: Step): Promise<{ answer: unknown; wanted: unknown }> {
  const { now } = model;
  switch (step.do) {
    case 'begin':
      return silent(house.begin(step.repository, step.blob, now));
    case 'name':
      return name(house, model);
    case 'mount': {
      const { repository, from, blob } = step;
      const answer = await house.metadata.mountBlob({ repository, from, digest: blobDigest(blob), now });
      return { answer, wanted: model.mount(repository, from, blob) };
    }
    case 'lease':
      return { answer: await house.metadata.renewLease([blobDigest(step.blob)], now), wanted: model.lease(step.blob) };
    case 'delete-blob': {
      const answer = await house.metadata.deleteBlob(step.repository, blobDigest(step.blob), now);
      return { answer, wanted: model.deleteBlob(step.repository, step.blob) };
    }
    case 'put': {
      const { outcome } = await house.put(step.repository, step.image, { tag: step.tag, now });
      return { answer: outcome, wanted: model.put(step.repository, step.image, step.tag) };
    }
    case 'delete': {
      const answer = await house.deleteManifest(step.repository, step.image, now);
      return { answer, wanted: model.deleteManifest(step.repository, step.image) };
    }
    case 'wait':
      model.now += step.for;
      return silent(Promise.resolve());
    case 'condemn':
      return { answer: await house.condemn(now), wanted: model.condemn() };
    case 'drop':
      return { answer: await house.drop(now), wanted: model.drop() };
    default:
      return silent(unmodelled(house, now, step));
  }
}

/** Steps that change nothing that a client may see. */
function unmodelled(house: House, now: number, step: Step): Promise<unknown> {
  switch (step.do) {
    case 'look-up':
      return house.lookUp(step.repository, step.blob);
    case 'due':
      return house.lookForDue(now);
    case 'remove-orphans':
      return house.removeOrphans(now);
    case 'open':
      return house.openPulled();
    case 'finish':
    case 'abandon':
    case 'unlink':
    case 'forget':
    case 'list':
    case 'judge':
    case 'restart':
      return house[step.do]();
    default:
      throw new Error(`${step.do} is modelled`);
  }
}

async function silent(work: Promise<unknown>): Promise<{ answer: unknown; wanted: unknown }> {
  await work;
  return { answer: undefined, wanted: undefined };
}

async function name(house: House, model: Model): Promise<{ answer: unknown; wanted: unknown }> {
  const pending = house.nextToName();
  const abandoned = pending !== undefined && (await house.isAbandoned(pending.id));
  const answer = await house.name(model.now);
  if (pending === undefined) return { answer, wanted: undefined };
  return { answer, wanted: abandoned ? 'unknown-upload' : model.push(pending.repository, pending.blob) };
}

/** What a client sees is what the model says, and every blob that is seen has its bytes. */
async function agree(house: House, model: Model): Promise<void> {
  for (const repository of repositories) {
    for (const blob of blobs) {
      const row = await house.metadata.blob(repository, blobDigest(blob));
      assert.equal(row !== undefined, model.sees(repository, blob), `${repository} blob ${blob}`);
      if (row === undefined) continue;
      const bytes = await house.read(row.key);
      assert.ok(bytes !== undefined, `the bytes of blob ${blob} are gone, and ${repository} names them`);
      assert.ok(bytes.equals(bytesOf(blob)), `the bytes of blob ${blob} are wrong`);
    }
    for (const tag of tags) {
      const found = await house.metadata.manifest(repository, { tag });
      const image = model.tags.get(`${repository} ${tag}`);
      assert.equal(found?.digest, image === undefined ? undefined : manifestDigest(image));
    }
  }
}

/** When everybody has left, what is on the disk is exactly what living manifests need. */
async function settle(house: House, model: Model): Promise<void> {
  while (await house.abandon());
  for (const wait of [GRACE, 1]) {
    model.now += wait;
    await house.condemn(model.now);
    model.condemn();
    await house.drop(model.now);
    model.drop();
  }
  for (const sweep of [house.list, house.judge]) await sweep.call(house);
  await house.removeOrphans(model.now);
  await house.lookForDue(model.now);
  while (await house.unlink());
  await house.forget();
  await agree(house, model);
  const needed = new Set<string>();
  for (const [where, blob] of model.manifests) {
    const row = await house.metadata.blob(where.split(' ')[0] ?? '', blobDigest(blob));
    if (row !== undefined) needed.add(row.key);
  }
  assert.deepEqual(await house.allKeys(), [...needed].sort(), 'the disk holds something else than what is needed');
}

test('whatever comes between its steps, the worker removes exactly what nobody needs', async () => {
  const property = fc.asyncProperty(history, async (steps) => {
    const folder = mkdtempSync(join(tmpdir(), 'ne-model-'));
    const house = new House(folder);
    const model = new Model();
    const done: string[] = [];
    await house.open();
    try {
      for (const one of steps) {
        const { answer, wanted } = await both(house, model, one);
        done.push(`${JSON.stringify(one)} → ${JSON.stringify(answer)}`);
        assert.deepEqual(answer, wanted, 'the answers differ');
        await agree(house, model);
      }
      done.push('everybody leaves');
      await settle(house, model);
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}\n${done.join('\n')}`, { cause: error });
    } finally {
      await house.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
  await fc.assert(property, { numRuns: RUNS });
});
