/** A hundred thousand referrers of one subject: paged, complete, quick, and no more memory than for ten. */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { digestOf } from '../../../src/domain/oci/digest.ts';
import { openSqlite } from '../../../src/registry/metadata/sqlite/open.ts';
import { type Client, client, imageType, indexType } from './client.ts';
import { type Server, startServer } from './server.ts';

const mebibyte = 1024 * 1024;
const count = 100_000;
const numbered = (n: number) => digestOf('sha256', n.toString(16).padStart(64, '0'));
const subject = digestOf('sha256', 'f'.repeat(64));
/** Has one page of referrers, the first of which is of the rare type. What is quick here must be as quick among a hundred times as many. */
const small = { subject: digestOf('sha256', 'e'.repeat(64)), count: 1000 };
const rare = 77_777;
let server: Server;
let registry: Client;

/** Pushed over HTTP they would take minutes; the store is the same. */
async function fill(data: string): Promise<void> {
  const store = await openSqlite({ directory: data, mode: 'serve', onDeath: assert.fail });
  const one = (n: number) =>
    store.putManifest({
      repository: 'signed',
      digest: numbered(n),
      mediaType: imageType,
      bytes: Buffer.from(`{"of":${n}}`),
      edges: [],
      tags: [],
      subject: n < count ? subject : small.subject,
      artifactType: n === rare || n === count ? 'application/vnd.rare' : 'application/vnd.common',
      annotations: { number: String(n), padding: 'x'.repeat(100) },
      by: { name: 'tester', now: Date.now() },
    });
  for (let n = 0; n < count + small.count; n += 1000)
    await Promise.all(Array.from({ length: 1000 }, (_, index) => one(n + index)));
  await store.close();
}

before(async () => {
  const data = mkdtempSync(join(tmpdir(), 'ne-registry-test-'));
  await fill(data);
  server = await startServer({ data });
  registry = client(server);
});
after(() => server.discard());

interface Entry {
  digest: string;
  artifactType: string;
  annotations: Record<string, string>;
}

const entriesOf = (answer: { json(): unknown }) => (answer.json() as { manifests: Entry[] }).manifests;
const nextOf = (answer: { headers: Headers }) => /<([^>]+)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1];

const medianOf = (times: readonly number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;

/** One answer, and how long it took, milliseconds. */
async function timed(path: string) {
  const began = performance.now();
  const answer = await registry.request('GET', path);
  return { answer, millis: performance.now() - began };
}

test('the pages add up to each referrer exactly once, in bounded memory and time', async () => {
  await registry.request('GET', `/v2/signed/referrers/${numbered(1)}`);
  const before = server.rss();
  const seen = new Set<string>();
  const times: number[] = [];
  const usual: number[] = [];
  let entries = 0;
  for (let next: string | undefined = `/v2/signed/referrers/${subject}`; next !== undefined; ) {
    // In turns, so that whatever else the machine does slows both down.
    if (times.length % 4 === 0) usual.push((await timed(`/v2/signed/referrers/${small.subject}`)).millis);
    const { answer, millis } = await timed(next);
    times.push(millis);
    assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, indexType]);
    assert.ok(answer.body.length <= 4 * mebibyte);
    for (const { digest, annotations } of entriesOf(answer)) {
      seen.add(digest);
      entries++;
      assert.equal(numbered(Number(annotations.number)), digest);
    }
    next = nextOf(answer);
  }
  assert.deepEqual([seen.size, entries], [count, count]);
  const [median, least] = [medianOf(times), medianOf(usual)];
  assert.ok(median < 3 * least + 5, `a page took ${median.toFixed(1)} ms, of few referrers ${least.toFixed(1)}`);
  const grown = server.rss() - before;
  assert.ok(grown < 64 * mebibyte, `${(grown / mebibyte).toFixed(0)} MiB more were resident`);
});

test('one of a rare type is found without reading all the others', async () => {
  const [times, usual]: [number[], number[]] = [[], []];
  for (let round = 0; round < 15; round++) {
    for (const [of, wanted, into] of [
      [small.subject, count, usual],
      [subject, rare, times],
    ] as const) {
      const { answer, millis } = await timed(`/v2/signed/referrers/${of}?artifactType=application/vnd.rare`);
      into.push(millis);
      const found = entriesOf(answer).map(({ digest }) => digest);
      assert.deepEqual(found, [numbered(wanted)]);
      assert.deepEqual([answer.headers.get('oci-filters-applied'), answer.headers.get('link')], ['artifactType', null]);
    }
  }
  const [median, least] = [medianOf(times), medianOf(usual)];
  assert.ok(median < 3 * least + 5, `it took ${median.toFixed(1)} ms, among few referrers ${least.toFixed(1)}`);
});

test('a hundred of such lists at once are answered, and memory stays bounded', async () => {
  const lists = Array.from({ length: 100 }, () => registry.request('GET', `/v2/signed/referrers/${subject}`));
  for (const answer of await Promise.all(lists)) assert.equal(entriesOf(answer).length, 1000);
  assert.ok(server.rss() < 260 * mebibyte, `${(server.rss() / mebibyte).toFixed(0)} MiB are resident`);
});
