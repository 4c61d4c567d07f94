/** For every store: what a cluster reports to use never goes, and comes back where it had gone; who may report, and what a report may be. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SignJWT } from 'jose';
import { newSigningKey, readSigningKey } from '../../../../src/registry/auth/signing-key.ts';
import type { Server, ServerOptions } from '../server.ts';
import { until } from '../space/until.ts';
import { type House, house } from './house.ts';

const key = readSigningKey(newSigningKey(), 'operator');
const newest = (countNumber: number) => [
  {
    rulePriority: 1,
    selection: { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber },
    action: { type: 'expire' },
  },
];

function token(claims: Record<string, unknown>, { sub = 'cluster:here', aud = 'ns/main', life = 0 } = {}) {
  const jwt = new SignJWT(claims)
    .setProtectedHeader({ alg: 'EdDSA' })
    .setIssuer('ne-registry-operator')
    .setSubject(sub)
    .setAudience(aud)
    .setIssuedAt();
  if (life > 0) jwt.setExpirationTime(Math.floor(Date.now() / 1000) + life);
  return jwt.sign(key.privateKey);
}

const report = (images: readonly object[], at = new Date()) =>
  JSON.stringify({ apiVersion: 'inventory.ne-registry.io/v1alpha1', reportedAt: at.toISOString(), images });

/** @param start starts a registry with these settings and a store to be tested */
export function inUseContract(start: (options: ServerOptions) => Promise<Server>): void {
  const folder = mkdtempSync(join(tmpdir(), 'ne-in-use-'));
  let server: Server;
  let it: House;

  before(async () => {
    const file = join(folder, 'admin.pub');
    writeFileSync(file, key.publicKey.export({ type: 'spki', format: 'pem' }));
    server = await start({
      document: {
        auth: { administrators: ['tester'] },
        admin: { publicKeyFiles: [file], audience: 'ns/main' },
        inUse: { clusters: ['here', 'there'], staleSeconds: 5 },
      },
    });
    it = house(server);
  });
  after(async () => {
    await server?.discard();
    rmSync(folder, { recursive: true, force: true });
  });

  test('nothing expires before every listed cluster has reported, and then at once', async () => {
    await it.push('first/app', ['v1', 'v2', 'v3']);
    await it.put('first', { repositories: { include: ['first/app'] }, rules: newest(1) });
    const waiting = await it.evaluated('first');
    assert.deepEqual([waiting.plan?.expiring, waiting.totals.expired], [2, 0]);
    const named = (state: typeof waiting) => state.problems.find(({ type }) => type === 'WaitingForInventory')?.message;
    assert.match(named(waiting) ?? '', /missing: here, there\./);
    assert.equal(await it.report('here', []), 204);
    assert.match(named(await it.state('first')) ?? '', /missing: there\./);
    assert.equal((await it.tags('first/app')).length, 3);
    assert.equal(await it.report('there', []), 204);
    await until('it is carried out', async () => (await it.tags('first/app')).length === 1);
    assert.equal(named(await it.state('first')), undefined);
  });

  test('a digest and a tag that a cluster names stay, under whatever host, and explain says who uses them', async () => {
    const digests = await it.push('used/app', ['v1', 'v2', 'v3', 'v4']);
    const images = [
      { image: `other.example:5000/used/app@${digests.get('v1')}`, by: ['Deployment shop/web'] },
      { image: 'mirror.example/used/app:v2', by: ['CronJob shop/night'] },
    ];
    assert.equal(await it.report('here', images), 204);
    await it.put('used', { repositories: { include: ['used/app'] }, rules: newest(1) });
    const state = await it.evaluated('used');
    assert.deepEqual((await it.tags('used/app')).sort(), ['v1', 'v2', 'v4']);
    assert.deepEqual([state.plan?.blockedInUse, state.totals.blockedInUse > 0], [2, true]);
    const explained = await it.registry.request('GET', '/admin/v1/retention/explain?repository=used/app&reference=v1');
    const why = explained.json() as Record<string, unknown>;
    assert.deepEqual([why.action, why.blockedInUse], ['KEEP', true]);
    assert.match(String(why.usedBy), /Deployment shop\/web in cluster here/);
    const metrics = (await it.registry.request('GET', '/metrics')).body.toString();
    assert.match(metrics, /^ne_retention_blocked_in_use\{policy="used"\} 2$/m);
    assert.match(metrics, /^ne_inuse_inventory_age_seconds\{cluster="here"\} \d/m);
  });

  test('what is in the trash comes back when a cluster names it, by digest or by tag', async () => {
    const digests = await it.push('trashed/app', ['v1', 'v2', 'v3', 'v4']);
    await it.put('trashed', { repositories: { include: ['trashed/app'] }, rules: newest(1) });
    await it.evaluated('trashed');
    assert.deepEqual(await it.tags('trashed/app'), ['v4']);
    const images = [
      { image: 'host.example/trashed/app:v1', by: ['Pod a/b'] },
      { image: 'x', digests: [digests.get('v2')] },
    ];
    assert.equal(await it.report('there', images), 204);
    await until('both are back', async () => (await it.tags('trashed/app')).length === 3);
    await until('the policy tells of it', async () => (await it.state('trashed')).events?.length === 2);
    assert.equal((await it.state('trashed')).events?.[0]?.reason, 'RestoredInUse');
    await it.evaluatedAgain('trashed');
    assert.deepEqual((await it.tags('trashed/app')).sort(), ['v1', 'v2', 'v4']);
  });

  test('of a cluster that is away its last report counts, and all that was pulled since stays; the rest goes', async () => {
    const digests = await it.push('away/app', ['v1', 'v2', 'v3', 'v4']);
    await it.report('here', [{ image: `h/away/app@${digests.get('v1')}` }]);
    await it.report('there', []);
    // Pulled after the report, by whoever.
    await it.registry.request('GET', '/v2/away/app/manifests/v2');
    await until('the reports are stale', async () => {
      const answer = await it.registry.request('GET', '/admin/v1/inventories');
      const { clusters } = answer.json() as { clusters: { stale: boolean }[] };
      return clusters.length === 2 && clusters.every(({ stale }) => stale);
    });
    await it.put('away', { repositories: { include: ['away/app'] }, rules: newest(1) });
    const state = await it.evaluated('away');
    assert.deepEqual((await it.tags('away/app')).sort(), ['v1', 'v2', 'v4']);
    assert.match(state.problems.find(({ type }) => type === 'InventoryStale')?.message ?? '', /here, there/);
    const reported = state.inUse?.clusters.find(({ name }) => name === 'here');
    assert.deepEqual([reported?.stale, reported?.images], [true, 1]);
  });

  test('an older report takes nothing away', async () => {
    const digests = await it.push('older/app', ['v1', 'v2', 'v3']);
    await it.report('here', [{ image: `h/older/app@${digests.get('v1')}` }]);
    const body = report([{ image: `h/older/app@${digests.get('v2')}` }], new Date(Date.now() - 60_000));
    assert.equal((await it.registry.request('PUT', '/admin/v1/inventories/here', { body })).status, 204);
    await it.put('older', { repositories: { include: ['older/app'] }, rules: newest(1) });
    await it.evaluated('older');
    assert.deepEqual((await it.tags('older/app')).sort(), ['v1', 'v2', 'v3']);
  });

  test('a reporter token reports for its own cluster and does nothing else', async () => {
    const put = async (cluster: string, bearer: string) =>
      (
        await it.registry.request('PUT', `/admin/v1/inventories/${cluster}`, {
          body: report([]),
          authorization: `Bearer ${bearer}`,
        })
      ).status;
    const reporter = await token({ use: 'inventory' });
    assert.equal(await put('here', reporter), 204);
    assert.equal(await put('there', reporter), 403);
    for (const [method, path] of [
      ['GET', '/admin/v1/inventories'],
      ['GET', '/admin/v1/status'],
      ['GET', '/admin/v1/rules/retention'],
      ['DELETE', '/admin/v1/rules/retention/used'],
      ['GET', '/v2/used/app/tags/list'],
    ] as const)
      assert.equal(
        (await it.registry.request(method, path, { authorization: `Bearer ${reporter}` })).status,
        401,
        path,
      );
    const gone = await token({ use: 'inventory' }, { sub: 'cluster:gone' });
    assert.equal(await put('gone', gone), 404, 'it is not listed');
    for (const bearer of [
      await token({}),
      await token({ use: 'other' }),
      await token({ use: 'inventory' }, { aud: 'ns/other' }),
      await token({ use: 'inventory' }, { sub: 'operator' }),
      await token({ use: 'inventory' }, { sub: 'operator', life: 60 }),
    ])
      assert.equal(await put('here', bearer), 401);
    // An operator's token that is for a use is for no other, however short its life.
    const narrow = await token({ use: 'inventory' }, { life: 60 });
    const status = await it.registry.request('GET', '/admin/v1/status', { authorization: `Bearer ${narrow}` });
    assert.equal(status.status, 401);
    assert.equal(await put('here', await token({}, { sub: 'operator', life: 60 })), 204);
  });

  test('a report that is wrong is refused whole, with every reason', async () => {
    const send = async (body: string | Uint8Array) => {
      const answer = await it.registry.request('PUT', '/admin/v1/inventories/here', { body });
      const { errors } = answer.json() as { errors: { detail?: { problems: string[] } }[] };
      return { status: answer.status, problems: errors[0]?.detail?.problems ?? [] };
    };
    const wrong = await send(report([{ image: '', digests: ['sha256:x'], colour: 'blue' }]));
    assert.equal(wrong.status, 400);
    assert.ok(wrong.problems.length >= 2, wrong.problems.join());
    assert.equal((await send('{"images":[],}')).status, 400);
    assert.equal((await send(Buffer.alloc(17 * 1024 * 1024, 32))).status, 413);
    const unlisted = await it.registry.request('PUT', '/admin/v1/inventories/elsewhere', { body: report([]) });
    assert.equal(unlisted.status, 404);
  });
}
