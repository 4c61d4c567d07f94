/** What the clusters of a registry use, and what is not known of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InUse, type Usable } from '../../../src/domain/retention/in-use.ts';
import type { UsedImage } from '../../../src/domain/retention/inventory.ts';
import { type Report, receiveReport } from '../../../src/domain/retention/report.ts';

const hour = 3_600_000;
const now = Date.parse('2026-11-22T10:30:00Z');
const digest = (hex: string) => `sha256:${hex.repeat(64)}` as const;

function report(cluster: string, receivedAt: number, ...images: Partial<UsedImage>[]): Report {
  const whole = images.map((image) => ({ image: 'unknown', digests: [], by: [], ...image }));
  return receiveReport(undefined, { cluster, receivedAt, inventory: { reportedAt: receivedAt, images: whole } });
}

function inUse(reports: readonly Report[], clusters = reports.map(({ cluster }) => cluster)): InUse {
  return new InUse(reports, { clusters, staleAfter: 900_000, now });
}

function usedBy(use: InUse, repository: string, image: Partial<Usable>): string | undefined {
  return use.in(repository).usedBy({ digest: digest('0'), tags: [], ...image });
}

test('a digest counts in every repository, as that of a manifest or of a config', () => {
  const use = inUse([report('eu', now, { digests: [digest('a')], by: ['Pod shop/web-1'] })]);
  assert.equal(usedBy(use, 'any', { digest: digest('a') }), 'Pod shop/web-1 in cluster eu');
  assert.equal(usedBy(use, 'any', { config: digest('a') }), 'Pod shop/web-1 in cluster eu');
  assert.equal(usedBy(use, 'any', { digest: digest('b'), config: digest('c') }), undefined);
});

test('a tag counts in the repository of its path, under any host, with library/ or without', () => {
  const use = inUse([report('eu', now, { image: 'x.io/web:v1' }, { image: 'docker.io/library/nginx:1' })]);
  assert.equal(usedBy(use, 'web', { tags: ['v0', 'v1'] }), 'cluster eu, by the tag v1');
  assert.equal(usedBy(use, 'library/web', { tags: ['v1'] }), 'cluster eu, by the tag v1');
  assert.equal(usedBy(use, 'nginx', { tags: ['1'] }), 'cluster eu, by the tag 1');
  assert.equal(usedBy(use, 'shop/web', { tags: ['v1'] }), undefined);
  assert.equal(usedBy(use, 'web', { tags: ['v2'] }), undefined);
});

test('who uses it is said once, with how many others', () => {
  const by = ['Deployment a/b', 'Pod a/b-1'];
  const use = inUse([
    report('us', now - hour, { digests: [digest('a')], by }),
    report('eu', now, { digests: [digest('a')] }),
  ]);
  const away = 'which last reported at 2026-11-22T09:30:00.000Z';
  assert.equal(usedBy(use, 'any', { digest: digest('a') }), `Deployment a/b in cluster us, ${away}, and 2 more`);
});

test('a listed cluster that did not report yet is missing; one that is not listed has no say', () => {
  const use = inUse([report('other', now, { digests: [digest('a')] })], ['eu']);
  assert.deepEqual([use.missing, use.stale, use.pulledSince], [['eu'], [], undefined]);
  assert.equal(usedBy(use, 'any', { digest: digest('a') }), undefined);
  const none = inUse([], []);
  assert.deepEqual([none.missing, none.clusters], [[], []]);
});

test('a stale cluster keeps what it named, and what anybody pulled since, an hour and the started one rounded down', () => {
  const use = inUse([report('eu', now - 900_001), report('us', now - 3 * hour), report('ap', now - 900_000)]);
  assert.deepEqual(use.stale, ['eu', 'us']);
  assert.deepEqual(
    use.clusters.map(({ name }) => name),
    ['ap', 'eu', 'us'],
  );
  const since = Date.parse('2026-11-22T06:00:00Z');
  const reason = 'pulled since about when cluster us last reported (2026-11-22T07:30:00.000Z)';
  assert.equal(usedBy(use, 'any', { pulledAt: since }), reason);
  assert.equal(usedBy(use, 'any', { pulledAt: since - 1 }), undefined);
  assert.equal(usedBy(use, 'any', {}), undefined);
});

test('after the clock was put back, what is pulled now stays all the same', () => {
  const use = inUse([report('eu', now + 5 * hour)]);
  assert.notEqual(usedBy(use, 'any', { pulledAt: now }), undefined);
  assert.equal(usedBy(use, 'any', { pulledAt: now - 3 * hour }), undefined);
});
