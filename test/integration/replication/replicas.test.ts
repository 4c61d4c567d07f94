/** Replicas that share a database and a bucket: one of them carries the rules out, and another one when that is gone. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type FaultProxy, startFaultProxy } from '../../programs/fault-proxy.ts';
import { type Fleet, startFleet } from '../replicas/fleet.ts';
import { connectionTo, type Place, placeAt, type Site, self, startSite, until } from './lab.ts';

let fleet: Fleet;
let b: Site;
let line: FaultProxy;
before(async () => {
  [fleet, b] = await Promise.all([startFleet(), startSite()]);
  line = await startFaultProxy(b.server.host);
});
after(async () => {
  await line.close();
  await Promise.all([fleet.discard(), b.server.discard()]);
});

/** Only who carries rules out has figures of them. */
async function works(place: Place): Promise<boolean> {
  return (await place.request('GET', '/metrics')).body.toString().includes('ne_replication_lag_seconds{');
}

test('one replica carries a rule out, whichever was told of it; when it is killed the other one goes on', {
  timeout: 600_000,
}, async () => {
  const replicas = await Promise.all([fleet.start(), fleet.start()]);
  const places = replicas.map(placeAt) as [Place, Place];
  const pushed: Record<string, string> = { 0: (await places[0].pushImage('fleet/app', '0')).digest };
  const rule = {
    source: 'here.example/fleet/*',
    targets: [`${line.host}/fleet`],
    retry: { minInterval: '1s', maxInterval: '1s' },
  };
  await places[0].rule('fleet', rule, [self, connectionTo(b.server, line.host)]);
  await until('the first', async () => (await b.tag('fleet/app', '0')) === pushed[0]);
  const working = await until('one that works', async () => {
    const each = await Promise.all(places.map(works));
    return each.filter(Boolean).length === 1 && each;
  });
  const [holder, other] = working[0] ? [0, 1] : [1, 0];
  // A push to any replica is a push to the registry.
  pushed[1] = (await (places[other] as Place).pushImage('fleet/app', '1')).digest;
  await until('the second', async () => (await b.tag('fleet/app', '1')) === pushed[1]);

  line.plan = ({ method, url }) => (method === 'PUT' && url?.includes('/manifests/') ? { latencyMs: 400 } : undefined);
  for (let tag = 2; tag < 8; tag++)
    pushed[tag] = (await (places[other] as Place).pushImage('fleet/app', String(tag))).digest;
  await replicas[holder]?.kill();
  line.plan = () => undefined;
  await until('the other one to take over', () => works(places[other] as Place), 120_000);
  await until('all of them', async () => Object.keys(await b.tags('fleet/app')).length === 8);
  assert.deepEqual(await b.tags('fleet/app'), pushed);
});
