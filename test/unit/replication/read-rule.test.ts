import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readReplicationRule } from '../../../src/domain/replication/read-rule.ts';
import { InvalidRule } from '../../../src/domain/replication/rule.ts';
import { selectTags } from '../../../src/domain/replication/select.ts';

const least = { source: 'ghcr.io/myorg/app', targets: ['registry.example.com/myorg/app'] };

function problemsOf(spec: unknown): readonly string[] {
  try {
    readReplicationRule(spec);
    return [];
  } catch (error) {
    assert.ok(error instanceof InvalidRule);
    return error.problems;
  }
}

test('three lines are a rule, with every default filled in', () => {
  const rule = readReplicationRule({ ...least, schedule: '0 */6 * * *' });
  assert.equal(rule.source.host, 'ghcr.io');
  assert.equal(rule.source.path, 'myorg/app');
  assert.deepEqual(
    [rule.referrers, rule.onConflict, rule.concurrency, rule.retry, rule.suspend, rule.dryRun, rule.deletion],
    [true, 'Override', 4, { min: 1000, max: 300_000 }, false, false, undefined],
  );
});

test('a name without an owner is one of the library at Docker Hub, and nowhere else', () => {
  const path = (source: string) => readReplicationRule({ ...least, source }).source.path;
  assert.deepEqual(
    [path('docker.io/alpine'), path('docker.io/grafana/loki'), path('ghcr.io/alpine')],
    ['library/alpine', 'grafana/loki', 'alpine'],
  );
});

test('each problem names its field', () => {
  const cases: [object, RegExp][] = [
    [{ source: undefined }, /^spec\.source: is missing/],
    [{ source: 'https://ghcr.io/app' }, /^spec\.source: must be host/],
    [{ source: 'ghcr.io/app:1.0' }, /^spec\.source: must name a repository/],
    [{ source: 'registry://Main/app' }, /^spec\.source: registry:\/\/ must/],
    [{ source: '169.254.169.254/latest/meta' }, /^spec\.source: 169\.254\.169\.254 is a link-local address/],
    [{ targets: ['[fe80::1]:5000/app'] }, /^spec\.targets\[0\]: \[fe80::1\]:5000 is a link-local address/],
    [{ targets: [] }, /^spec\.targets: is missing/],
    [{ targets: ['a.example/x', 'a.example/x'] }, /^spec\.targets\[1\]: is there twice/],
    [{ targets: ['a.example/*'] }, /^spec\.targets\[0\]: must hold no pattern/],
    [{ targets: ['ghcr.io/myorg/app'] }, /^spec\.targets\[0\]: is the source itself/],
    [{ source: 'a.example/team/*', targets: ['a.example/team'] }, /^spec\.targets\[0\]: is the source itself/],
    [{ sauce: 1 }, /^spec\.sauce: this field is not known/],
    [{ select: { tags: { semver: 'not a range' } } }, /^spec\.select\.tags\.semver: must be a range/],
    [{ select: { tags: { newest: 0 } } }, /^spec\.select\.tags\.newest: must be a whole number/],
    [{ select: { tags: { pushedWithin: 'soon' } } }, /^spec\.select\.tags\.pushedWithin: must be a duration/],
    [{ select: { platforms: ['linux'] } }, /^spec\.select\.platforms\[0\]: must be os\/architecture/],
    [{ triggers: { window: { start: '22:00' } } }, /^spec\.triggers\.window\.end: is missing/],
    [{ schedule: 'whenever' }, /^spec\.schedule: /],
    [{ timeZone: 'Mars/Olympus' }, /^spec\.timeZone: /],
    [{ deletion: { delay: '1h' } }, /^spec\.deletion\.delay: has no meaning/],
    [{ transfer: { bandwidth: '1023' } }, /^spec\.transfer\.bandwidth: must be bytes/],
    [{ retry: { minInterval: '10m', maxInterval: '1m' } }, /^spec\.retry\.minInterval: must be no longer/],
    [{ suspend: 'yes' }, /^spec\.suspend: must be true or false/],
    [{ onConflict: 'Shout' }, /^spec\.onConflict: must be one of/],
  ];
  for (const [change, wanted] of cases) {
    const problems = problemsOf({ ...least, ...change });
    assert.equal(problems.length, 1, `${JSON.stringify(change)}: ${problems.join('; ')}`);
    assert.match(problems[0] ?? '', wanted);
  }
  assert.deepEqual(problemsOf(least), []);
});

test('every problem is told at once', () => {
  assert.equal(problemsOf({ source: 'x', targets: ['y z'], schedule: 'whenever' }).length, 3);
});

test('quantities and durations are read in their units', () => {
  const rule = readReplicationRule({
    ...least,
    transfer: { bandwidth: '50Mi', concurrency: 7 },
    deletion: { policy: 'Propagate', maxPerRun: 3, delay: '1h30m' },
    retry: { minInterval: '2s' },
  });
  assert.deepEqual([rule.bandwidth, rule.concurrency], [50 * 1024 * 1024, 7]);
  assert.deepEqual(rule.deletion, { maxPerRun: 3, delay: 5_400_000 });
  assert.deepEqual(rule.retry, { min: 2000, max: 300_000 });
});

test('tags are chosen by all that is set', () => {
  const at = (tag: string, pushedAt: number) => ({ tag, pushedAt });
  const tags = [
    at('1.0.0', 1),
    at('v1.2.3', 2),
    at('1.9.0-rc.1', 3),
    at('2.0.0', 4),
    at('1.3.0_build', 5),
    at('latest', 6),
  ];
  const chosen = (select: object, now = 10) =>
    selectTags(tags, readReplicationRule({ ...least, select: { tags: select } }).tags, now).map(({ tag }) => tag);
  assert.deepEqual(
    chosen({}),
    tags.map(({ tag }) => tag),
  );
  assert.deepEqual(chosen({ semver: '^1.0' }), ['1.0.0', 'v1.2.3', '1.3.0_build']);
  assert.deepEqual(chosen({ include: ['1.*', 'latest'], exclude: ['*rc*'] }), ['1.0.0', '1.3.0_build', 'latest']);
  assert.deepEqual(chosen({ semver: '>=1', newest: 2 }), ['2.0.0', '1.3.0_build']);
  assert.deepEqual(chosen({ pushedWithin: '1s' }, 1004), ['2.0.0', '1.3.0_build', 'latest']);
});
