/** The operator's own certificate is renewed also where nothing else is done for a Registry. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeClient } from '../../../src/operator/kube/client.ts';
import type { KubeObject, ObjectRef } from '../../../src/operator/kube/object.ts';
import { keepCertificate, renewCertificate } from '../../../src/operator/registry/certificates.ts';
import type { RegistrySpec } from '../../../src/operator/registry/resource.ts';
import { site } from './sample.ts';

const day = 24 * 3600 * 1000;

/** An API server that keeps what it is given. */
function server() {
  const objects = new Map<string, KubeObject>();
  let writes = 0;
  const keep = async (object: KubeObject) => {
    writes += 1;
    objects.set(`${object.kind}/${object.metadata.name}`, object);
    return object;
  };
  const get = async ({ kind, name }: ObjectRef) => objects.get(`${kind}/${name}`);
  return { client: { get, create: keep, apply: keep } as unknown as KubeClient, writes: () => writes };
}

function asked(client: KubeClient, now: Date, spec: Partial<RegistrySpec> = {}) {
  return { client, site: site(spec), nodeAddresses: [], now };
}

test('when two thirds of its life have passed, and not before', async () => {
  const { client, writes } = server();
  const start = new Date('2026-01-01T00:00:00Z');
  const first = await keepCertificate(asked(client, start));
  const written = writes();
  assert.equal(await renewCertificate(asked(client, new Date(start.getTime() + 30 * day))), undefined);
  // Another host waits like every other change: what was asked for is that nothing changes.
  assert.equal(await renewCertificate(asked(client, start, { host: 'other.example' })), undefined);
  assert.equal(writes(), written);
  const renewed = await renewCertificate(asked(client, new Date(start.getTime() + 61 * day)));
  assert.ok(renewed && first && renewed.expires > first.expires);
  assert.notEqual(renewed.certificate, first.certificate);
});

test("a certificate that was never made is not made by it, and the user's own is left alone", async () => {
  const { client, writes } = server();
  assert.equal(await renewCertificate(asked(client, new Date())), undefined);
  assert.equal(await renewCertificate(asked(client, new Date(), { tls: { secretName: 'mine' } })), undefined);
  assert.equal(await renewCertificate(asked(client, new Date(), { tls: { disabled: true } })), undefined);
  assert.equal(writes(), 0);
});
