/** The work beside serving in a process of its own: those that serve ask for it, and do none of it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connectionTo, type Place, placeAt, type Site, self, startSite, until } from '../replication/lab.ts';
import { type Fleet, type Replica, startFleet } from './fleet.ts';

let fleet: Fleet;
let target: Site;
let fronts: Place[];
let worker: Replica;
before(async () => {
  fleet = await startFleet({ document: { reclaim: { graceSeconds: 0 } } });
  target = await startSite();
  const serving = await Promise.all([fleet.start({ run: 'None' }), fleet.start({ run: 'None' })]);
  fronts = serving.map(placeAt);
  worker = await fleet.start({ run: 'Only' });
});
after(async () => {
  await Promise.all([fleet?.discard(), target?.server.discard()]);
});

async function metric(place: Pick<Replica, 'url' | 'authorization'>, name: string): Promise<number> {
  const text = (await placeAt(place).request('GET', '/metrics')).body.toString();
  return Number(new RegExp(`^${name.replace(/[{}]/g, '\\$&')} (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
}

const passes = (kind: string, at = worker) => metric(at, `ne_registry_job_runs_total{kind="${kind}",result="success"}`);

async function keepNewest(front: Place, count: number, generation: number): Promise<void> {
  const selection = { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: count };
  const rules = [{ rulePriority: 1, selection, action: { type: 'expire' } }];
  const spec = { repositories: { include: ['kept/*'] }, rules };
  const body = Buffer.from(JSON.stringify({ uid: 'uid-newest', generation, spec }));
  const headers = { 'content-type': 'application/json' };
  const answer = await front.request('PUT', '/admin/v1/rules/retention/newest', { body, headers });
  assert.equal(answer.status, 200, answer.body.toString());
}

test('what serves does no work, what works serves nothing, and another one takes over from a worker that is killed', {
  timeout: 900_000,
}, async () => {
  const [front, other] = fronts as [Place, Place];
  assert.equal((await placeAt(worker).request('GET', '/v2/')).status, 404);
  assert.equal((await placeAt(worker).request('GET', '/admin/v1/status')).status, 404);
  assert.equal((await placeAt(worker).request('GET', '/readyz')).status, 200);

  const doomed = await front.pushImage('doomed/app', '1');
  assert.equal((await front.request('DELETE', `/v2/doomed/app/manifests/${doomed.digest}`)).status, 202);

  const pushed: Record<string, string> = { 0: (await front.pushImage('fleet/app', '0')).digest };
  const retry = { minInterval: '1s', maxInterval: '1s' };
  const rule = { source: 'here.example/fleet/*', targets: [`${target.server.host}/fleet`], retry };
  await front.rule('fleet', rule, [self, connectionTo(target.server)]);
  await until('the first copy', async () => (await target.tag('fleet/app', '0')) === pushed[0]);
  pushed[1] = (await other.pushImage('fleet/app', '1')).digest;
  await until('the second', async () => (await target.tag('fleet/app', '1')) === pushed[1]);

  for (const tag of ['a', 'b', 'c']) await other.pushImage('kept/app', tag);
  await keepNewest(front, 2, 1);
  await until('the oldest to expire', async () => Object.keys(await front.tags('kept/app')).length === 2);

  const swept = await passes('sweep');
  assert.equal((await other.request('POST', '/admin/v1/jobs/sweep')).status, 202);
  await until('the sweep that was asked for', async () => (await passes('sweep')) > swept);
  assert.equal((await other.request('POST', '/admin/v1/jobs/nothing')).status, 404);

  await worker.kill();
  pushed[2] = (await front.pushImage('fleet/app', '2')).digest;
  assert.equal((await other.request('GET', '/v2/fleet/app/manifests/2')).status, 200);
  await keepNewest(other, 1, 2);
  worker = await fleet.start({ run: 'Only', concurrency: 2 });
  await until('the next worker to replicate', async () => (await target.tag('fleet/app', '2')) === pushed[2], 120_000);
  await until('it to expire', async () => Object.keys(await front.tags('kept/app')).length === 1, 120_000);
  assert.deepEqual(await target.tags('fleet/app'), pushed);

  // Clocks of replicas may differ by a minute, and URLs to the bucket hold for another one.
  const reclaimed = () => metric(worker, 'ne_registry_reclaimed_bytes_total');
  await until('the bytes of what was deleted to go', async () => (await reclaimed()) >= 64, 240_000);
  for (const each of fronts) {
    const text = (await each.request('GET', '/metrics')).body.toString();
    assert.doesNotMatch(text, /^ne_registry_job_runs_total\{/m);
    assert.doesNotMatch(text, /^ne_replication_lag_seconds\{/m);
    assert.match(text, /^ne_registry_reclaimed_bytes_total 0$/m);
  }
});
