/** The schema of Registry, asked of a real API server. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { BareApiServer } from '../../e2e/cluster/apiserver.ts';
import { filesystem, host, PEM, postgres, refusedChanges, refusedRegistries, s3 } from './registry-refusals.ts';
import { assertRefused, path, resource, startWithDefinitions, tryChange, tryCreate } from './server.ts';

let api: BareApiServer;
before(async () => {
  api = await startWithDefinitions();
});
after(async () => await api?.stop());

describe('a Registry is accepted', () => {
  const accepted: Record<string, unknown> = {
    'with a host alone': { host },
    'with a port in its host': { host: 'registry.bank.example:5000' },
    'at an address': { host: '192.168.1.100:5000' },
    'at localhost': { host: 'localhost' },
    'highly available, as the design writes it': { host, replicas: 3, storage: { s3 }, metadata: { postgres } },
    'on a compatible store': {
      host,
      storage: { s3: { bucket: 'images', endpoint: 'https://minio.storage.svc:9000', caBundle: PEM } },
    },
    'with one replica on a bucket': { host, replicas: 1, storage: { s3 } },
    'on a file system with PostgreSQL': { host, metadata: { postgres } },
    'with its defaults spelled out': {
      host,
      replicas: 1,
      storage: { filesystem: { size: '20Gi' } },
      metadata: { sqlite: {} },
    },
    'on a claim that exists': filesystem({ existingClaim: 'images' }),
    'with TLS explicitly on': { host, tls: { secretName: 'tls', disabled: false } },
    'with affinity as in a Pod': {
      host,
      affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [] } },
    },
    'with a disruption budget in per cent': { host, pdb: { maxUnavailable: '50%' } },
    'with numbers for quantities of resources': { host, resources: { limits: { cpu: 2, memory: '1Gi' } } },
    'behind proxies of both versions of IP': {
      host,
      proxyProtocol: true,
      trustedProxies: ['10.0.0.7', '10.0.0.0/8', '::1', '2001:db8::/32', 'fe80::1:2/128'],
    },
    'with an audit trail': { host, audit: { destination: 'Stdout', required: true } },
  };
  for (const [what, spec] of Object.entries(accepted)) {
    test(what, async () => {
      const { status, body } = await tryCreate(api, resource('Registry', spec));
      assert.equal(status, 201, body.message);
    });
  }
});

describe('a Registry is refused with a message that names the field', () => {
  for (const [what, spec, message] of refusedRegistries) {
    test(what, async () => assertRefused(await tryCreate(api, resource('Registry', spec)), message));
  }

  test('a name too long for what is derived from it', async () => {
    const object = resource('Registry', { host }, 'a'.repeat(41));
    assertRefused(await tryCreate(api, object), /metadata\.name must be no longer than 40/);
    assert.equal((await tryCreate(api, resource('Registry', { host }, 'a'.repeat(40)))).status, 201);
  });

  for (const name of ['1a', 'a.b']) {
    test(`a name that no Service could have: ${name}`, async () => {
      assertRefused(
        await tryCreate(api, resource('Registry', { host }, name)),
        /metadata\.name must start with a letter/,
      );
    });
  }
});

describe('a Registry cannot change so that images would stay behind', () => {
  for (const [what, before, to, message] of refusedChanges) {
    test(what, async () => assertRefused(await tryChange(api, 'Registry', before, to), message));
  }
});

describe('a Registry may change', () => {
  const allowed: [string, unknown, unknown][] = [
    ['to a larger volume', filesystem({ size: '100Gi' }), filesystem({ size: '0.2Ti' })],
    ['to a larger volume than the default', { host }, filesystem({ size: '21Gi' })],
    [
      'from the default to the same, spelled out',
      { host },
      { host, storage: { filesystem: { size: '20Gi' } }, metadata: { sqlite: {} } },
    ],
    ['its host', { host }, { host: 'registry.other.example' }],
    [
      'the endpoint of its store',
      { host, storage: { s3 } },
      { host, storage: { s3: { ...s3, endpoint: 'https://s3.other.example' } } },
    ],
    [
      'how it is looked after',
      { host },
      {
        host,
        reclaim: { grace: '10s', schedule: '@daily' },
        scrub: { rate: '0' },
        backup: { target: { existingClaim: 'second' }, schedule: '30 2 * * 1-5', keep: 7 },
      },
    ],
    [
      'the Secrets of its stores',
      { host, storage: { s3 }, metadata: { postgres } },
      {
        host,
        storage: { s3: { ...s3, secretRef: { name: 'keys' } } },
        metadata: { postgres: { secretRef: { name: 'other' }, poolSize: 5 } },
      },
    ],
    [
      'from one replica to three',
      { host, storage: { s3 }, metadata: { postgres } },
      { host, replicas: 3, storage: { s3 }, metadata: { postgres } },
    ],
  ];
  for (const [what, before, to] of allowed) {
    test(what, async () => {
      const { status, body } = await tryChange(api, 'Registry', before, to);
      assert.equal(status, 200, body.message);
    });
  }
});

test('nobody has seen a new Registry, and its spec is as it was written', async () => {
  const created = await api.request('POST', path('Registry'), resource('Registry', { host }, 'new'));
  assert.deepEqual(created.body.status, { observedGeneration: -1 });
  assert.deepEqual(created.body.spec, { host });
});

test('only the status subresource writes the status, and conditions of one type are one', async () => {
  await api.request('POST', path('Registry'), resource('Registry', { host }, 'told'));
  const condition = (type: string, status: string) => ({
    type,
    status,
    reason: 'Serving',
    message: 'the registry serves',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  });
  const apply = (manager: string, conditions: unknown[]) =>
    api.request(
      'PATCH',
      `${path('Registry', 'told')}/status?fieldManager=${manager}&force=true&fieldValidation=Strict`,
      {
        ...resource('Registry', undefined, 'told'),
        status: { observedGeneration: 1, url: `https://${host}`, conditions },
      },
    );
  assert.equal((await apply('a', [condition('Ready', 'Unknown')])).status, 200);
  const { body } = await apply('b', [condition('Ready', 'True'), condition('Insecure', 'True')]);
  assert.deepEqual(
    body.status.conditions.map((one: { type: string; status: string }) => [one.type, one.status]),
    [
      ['Ready', 'True'],
      ['Insecure', 'True'],
    ],
  );
  assertRefused(await apply('a', [condition('Ready', 'Maybe')]), /status\.conditions\[0\]\.status/);

  const through = await api.request('PATCH', `${path('Registry', 'told')}?fieldManager=c&force=true`, {
    ...resource('Registry', { host }, 'told'),
    status: { url: 'https://forged.example' },
  });
  assert.equal(through.body.status.url, `https://${host}`);

  const listed = await api.kubectl(['get', 'ner', 'told']);
  assert.match(
    listed.stdout,
    /^NAME +URL +READY +MESSAGE +AGE\ntold +https:\/\/registry\.bank\.example +True +the registry serves /,
  );
});
