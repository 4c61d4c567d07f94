import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { RegistryBootstrap } from '../../../src/api/bootstrap/v1alpha1.ts';
import type { KubeObject } from '../../../src/operator/kube/object.ts';
import { drainSeconds, lingerSeconds, renderBootstrap } from '../../../src/operator/registry/children/bootstrap.ts';
import { renderBundle } from '../../../src/operator/registry/children/bundle.ts';
import { renderDisruptionBudget } from '../../../src/operator/registry/children/disruption-budget.ts';
import { renderIngress } from '../../../src/operator/registry/children/ingress.ts';
import { renderNetworkPolicy } from '../../../src/operator/registry/children/network-policy.ts';
import { renderNodeAccess, renderRemoval } from '../../../src/operator/registry/children/node-access.ts';
import {
  decode,
  renderAdministrator,
  renderAuthority,
  renderCertificate,
  renderKeys,
  type Secret,
} from '../../../src/operator/registry/children/secret.ts';
import { renderServiceAccount } from '../../../src/operator/registry/children/service-account.ts';
import { renderServiceMonitor } from '../../../src/operator/registry/children/service-monitor.ts';
import {
  renderGoverningService,
  renderNodeService,
  renderService,
} from '../../../src/operator/registry/children/services.ts';
import {
  claimConflict,
  renderVolumeClaim,
  type VolumeClaim,
} from '../../../src/operator/registry/children/volume-claim.ts';
import { renderWorkers } from '../../../src/operator/registry/children/workers.ts';
import { renderWorkload } from '../../../src/operator/registry/children/workload.ts';
import { registryLabel } from '../../../src/operator/registry/names.ts';
import type { RegistrySpec } from '../../../src/operator/registry/resource.ts';
import type { Site } from '../../../src/operator/registry/site.ts';
import { unsupportedSettings } from '../../../src/operator/registry/support.ts';
import { site } from './sample.ts';

const values = { 'a.key': 'value' };
const access = { nodePort: 31234, trusted: true } as const;

function children(of: Site): KubeObject[] {
  return [
    renderServiceAccount(of),
    renderService(of),
    renderGoverningService(of),
    renderNodeService(of),
    renderVolumeClaim(of),
    renderBootstrap(of),
    renderKeys(of, values),
    renderAdministrator(of, values),
    renderAuthority(of, values),
    renderCertificate(of, values),
    renderBundle(of, 'PEM'),
    renderWorkload(of),
    ...renderWorkers(of),
    renderNetworkPolicy(of),
    renderIngress(of),
    renderDisruptionBudget(of),
    renderServiceMonitor(of),
    ...(of.configuresNodes ? [renderNodeAccess(of, access)] : []),
  ].filter((child) => child !== undefined);
}

/** Everything that this version carries out, all at once. */
const everything: Partial<RegistrySpec> = {
  inUse: { clusters: [{ name: 'local' }, { name: 'edge-7' }], staleAfter: '1h30m' },
  host: 'registry.bank.example:8443',
  externalURLs: ['https://images.bank.example'],
  image: {
    repository: 'mirror.example:5000/ne',
    digest: `sha256:${'a'.repeat(64)}`,
    pullPolicy: 'Always',
    pullSecrets: [{ name: 'pull' }],
  },
  resources: { requests: { cpu: '1' }, limits: { memory: '512Mi' } },
  nodeSelector: { disk: 'fast' },
  tolerations: [{ operator: 'Exists' }],
  affinity: { podAntiAffinity: {} },
  topologySpread: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }],
  podLabels: { team: 'platform' },
  podAnnotations: { note: 'x' },
  storage: { filesystem: { size: '100Gi', storageClassName: 'fast' } },
  expose: {
    service: { type: 'NodePort', nodePort: 30500, externalTrafficPolicy: 'Local', annotations: { lb: 'internal' } },
    ingress: { className: 'nginx', annotations: { extra: 'y' } },
  },
  trustedProxies: ['10.0.0.0/8', '192.0.2.7', '2001:db8::1'],
  tls: { secretName: 'my-tls', minVersion: 'TLSv1.3' },
  nodeAccess: { mode: 'Configure', configPath: '/opt/certs.d' },
  auth: { anonymous: 'Pull', htpasswd: { secretRef: { name: 'users' } }, tokenTTL: '10m' },
  limits: {
    manifestSize: '16Mi',
    uploadSize: '50Gi',
    concurrentUploads: 10,
    concurrentRequests: 100,
    freeSpaceReserve: '1Gi',
  },
  metrics: { serviceMonitor: { labels: { prometheus: 'main' }, interval: '30s' } },
  logging: { level: 'debug' },
  networkPolicy: { from: [{ ipBlock: { cidr: '10.0.0.0/8' } }] },
  pdb: { maxUnavailable: 0 },
  deletionPolicy: 'Delete',
};

const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';

/** Everything about a bucket, PostgreSQL and replicas. */
const everywhere: Partial<RegistrySpec> = {
  replicas: 3,
  storage: {
    s3: {
      bucket: 'images',
      prefix: 'main/',
      region: 'cn-north-1',
      endpoint: 'https://s3.bank.example:9000',
      caBundle: pem,
      secretRef: { name: 'bucket-keys' },
      serverSideEncryption: { algorithm: 'aws:kms', kmsKeyID: 'alias/images' },
      storageClass: 'INTELLIGENT_TIERING',
      redirects: { mode: 'Presigned', expiry: '2m' },
    },
  },
  metadata: { postgres: { secretRef: { name: 'registry-db-app' }, caBundle: pem, poolSize: 20 } },
  reclaim: { grace: '48h', schedule: '0 3 * * *' },
  scrub: { rate: '10Mi' },
  backup: {
    target: { s3: { bucket: 'backups', region: 'cn-north-1', caBundle: pem, secretRef: { name: 'backup-keys' } } },
    schedule: '@hourly',
    keep: 48,
  },
};

/** The long work in pods of its own. */
const separate: Partial<RegistrySpec> = {
  ...everywhere,
  workers: { mode: 'Separate', concurrency: 2, resources: { limits: { memory: '256Mi' } } },
  resources: { requests: { memory: '1Gi' } },
  auth: { htpasswd: { secretRef: { name: 'users' } } },
};

/** Two of the places elsewhere, one on the volume. */
const halves: Partial<RegistrySpec>[] = [
  { storage: { s3: { bucket: 'images', region: 'cn-north-1' } } },
  {
    metadata: { postgres: { secretRef: { name: 'registry-db-app' } } },
    backup: { target: { existingClaim: 'second' } },
  },
];

describe('what is rendered', () => {
  test('for a Registry with nothing but a host', (t) => {
    t.assert.snapshot(children(site()).map(readable));
  });
  test('for a Registry with everything that is supported', (t) => {
    t.assert.snapshot(children(site(everything)).map(readable));
  });
  test('for three replicas on a bucket and PostgreSQL', (t) => {
    t.assert.snapshot(children(site(everywhere)).map(readable));
  });
  test('for workers of their own', (t) => {
    const of = site(separate);
    t.assert.snapshot([renderBootstrap(of), ...renderWorkers(of)].map(readable));
  });
});

/** Secrets' documents as text, so that a snapshot can be read. */
function readable(object: KubeObject): unknown {
  if (object.kind !== 'Secret') return object;
  return { ...object, data: decode(object as Secret) };
}

const spec: fc.Arbitrary<Partial<RegistrySpec>> = fc
  .tuple(
    someOf(everything),
    fc.oneof(someOf(everywhere), someOf(separate), fc.constant(separate), ...halves.map((half) => fc.constant(half))),
  )
  .map(([one, other]) => withReplicas({ ...one, ...other }));

function someOf(whole: Partial<RegistrySpec>): fc.Arbitrary<Partial<RegistrySpec>> {
  const parts = Object.fromEntries(Object.entries(whole).map(([key, value]) => [key, fc.constant(value)]));
  return fc.record(parts, { requiredKeys: [] }) as fc.Arbitrary<Partial<RegistrySpec>>;
}

/** As the schema has it: several only where all is shared. */
function withReplicas({ replicas, ...rest }: Partial<RegistrySpec>): Partial<RegistrySpec> {
  const shared = rest.storage?.s3 !== undefined && rest.metadata?.postgres !== undefined;
  return shared && replicas !== undefined ? { ...rest, replicas } : rest;
}

describe('whatever part of the spec is set', () => {
  test('the document passes the schema that serve reads it with', () => {
    fc.assert(
      fc.property(spec, (each) => {
        const rendered = parse(decode(renderBootstrap(site(each)) as Secret)['config.yaml'] ?? '');
        const document = RegistryBootstrap.parse(rendered);
        assert.equal(document.generation, 3);
        assert.equal(document.tls === undefined, each.tls?.disabled === true);
        assert.equal(document.admin?.audience, 'registry/main');
      }),
    );
  });

  test('rendering twice gives the same, in the namespace, labelled, and never null or undefined', () => {
    fc.assert(
      fc.property(spec, (each) => {
        const rendered = children(site(each));
        assert.deepEqual(children(site(structuredClone(each))), rendered);
        for (const child of rendered) {
          assert.equal(child.metadata.namespace, 'registry');
          assert.equal(child.metadata.labels?.[registryLabel], 'main');
          assert.equal(JSON.stringify(child).includes('null'), false);
        }
        const titles = rendered.map((child) => `${child.kind}/${child.metadata.name}`);
        assert.equal(new Set(titles).size, titles.length, 'no two children of one name');
      }),
    );
  });

  test('the pod is within the restricted profile and gets no secret that is not for it', () => {
    fc.assert(
      fc.property(spec, (each) => {
        const of = site(each);
        const { spec: pod } = template(renderWorkload(of));
        assertRestricted(pod);
        for (const workers of renderWorkers(of).slice(-1)) assertRestricted(template(workers).spec);
        assert.ok(pod.terminationGracePeriodSeconds > lingerSeconds(of) + drainSeconds);
        const items = pod.volumes.flatMap((volume) => volume.secret?.items?.map((item) => item.key) ?? []);
        assert.ok(!items.includes('admin.key') && !items.includes('password'));
        // Of Secrets that are the user's for this alone, all; of the others exactly what is for the pod.
        const whole = ['s3', 'postgres', 'backup-s3'];
        for (const volume of pod.volumes) {
          assert.ok(
            !volume.secret || whole.includes(volume.name) || (volume.secret.items?.length ?? 0) > 0,
            volume.name,
          );
        }
      }),
    );
  });

  test('selectors match the pods that they are for, and no others', () => {
    fc.assert(
      fc.property(spec, (each) => {
        const of = site({ ...each, nodeAccess: { mode: 'Configure' } });
        const registryPod = template(renderWorkload(of)).metadata.labels;
        const agentPod = template(renderNodeAccess(of, access)).metadata.labels;
        for (const service of [renderService(of), renderGoverningService(of), renderNodeService(of)]) {
          const { selector } = (service as KubeObject & { spec: { selector: Record<string, string> } }).spec;
          assert.ok(matches(selector, registryPod));
          assert.ok(!matches(selector, agentPod));
          assert.ok(!matches(selector, template(renderWorkload(site(each, 'other'))).metadata.labels));
        }
      }),
    );
  });
});

test('data, keys and authority outlive the Registry unless its policy says Delete', () => {
  for (const [policy, owners] of [
    ['Retain', 0],
    ['Delete', 1],
    [undefined, 0],
  ] as const) {
    const of = site(policy === undefined ? {} : { deletionPolicy: policy });
    const keptOnes = [
      renderVolumeClaim(of),
      renderKeys(of, values),
      renderAdministrator(of, values),
      renderAuthority(of, values),
    ];
    for (const child of keptOnes) assert.equal(child?.metadata.ownerReferences?.length ?? 0, owners, String(policy));
    for (const child of [renderWorkload(of), renderService(of), renderBootstrap(of)]) {
      assert.equal(child.metadata.ownerReferences?.length, 1);
    }
  }
});

test('the agents are not owned: what is owned may be deleted before they have cleaned up', () => {
  assert.equal(
    renderNodeAccess(site({ nodeAccess: { mode: 'Configure' } }), access).metadata.ownerReferences,
    undefined,
  );
});

test('agents that take back what they wrote need nothing that goes with their Registry', () => {
  const live = renderNodeAccess(site({ nodeAccess: { mode: 'Configure' } }), access);
  const removal = renderRemoval({
    ...live,
    status: {},
    metadata: { ...live.metadata, uid: 'u', resourceVersion: '7' },
  });
  const { spec: pod } = template(removal);
  assert.deepEqual(
    pod.volumes.map(({ name }) => name),
    ['certs-d'],
  );
  assert.ok(JSON.stringify(pod).includes('--remove'));
  assert.ok(!JSON.stringify(pod).includes('serviceAccountName'));
  assert.deepEqual(removal.metadata, live.metadata);
  assert.deepEqual(renderRemoval(removal), removal);
});

test('a tag or digest alone changes the default image only there', () => {
  const digest = `sha256:${'b'.repeat(64)}`;
  assert.equal(site().image, 'images.example/ne-registry:0.1.0');
  assert.equal(site({ image: { tag: '0.2.0' } }).image, 'images.example/ne-registry:0.2.0');
  assert.equal(site({ image: { digest } }).image, `images.example/ne-registry@${digest}`);
  assert.equal(site({ image: { repository: 'a:5000/b' } }).image, 'a:5000/b:0.1.0');
  assert.equal(site({ image: { pullPolicy: 'Always' } }).image, 'images.example/ne-registry:0.1.0');
});

test('URLs follow host, port and TLS', () => {
  assert.equal(site().internalURL, 'https://main.registry.svc');
  assert.equal(site({ host: 'a.example:8443' }).internalURL, 'https://main.registry.svc:8443');
  assert.equal(site({ host: 'a.example:8443' }).url, 'https://a.example:8443');
  assert.equal(site({ tls: { disabled: true } }).internalURL, 'http://main.registry.svc');
});

test('a claim that was left may not be shrunk or moved, and the message says to what to set the spec', () => {
  const live = renderVolumeClaim(
    site({ storage: { filesystem: { size: '50Gi', storageClassName: 'fast' } } }),
  ) as VolumeClaim;
  assert.equal(
    claimConflict(site({ storage: { filesystem: { size: '51200Mi', storageClassName: 'fast' } } }), live),
    undefined,
  );
  assert.match(claimConflict(site(), live) ?? '', /has 50Gi.*set spec\.storage\.filesystem\.size to 50Gi/);
  const other = site({ storage: { filesystem: { size: '60Gi', storageClassName: 'slow' } } });
  assert.match(claimConflict(other, live) ?? '', /StorageClass "fast"/);
  assert.equal(claimConflict(site({ storage: { filesystem: { existingClaim: 'mine' } } }), live), undefined);
});

describe('where things are kept', () => {
  const document = (of: Site) =>
    RegistryBootstrap.parse(parse(decode(renderBootstrap(of) as Secret)['config.yaml'] ?? ''));
  const mounts = (of: Site) => {
    const [container] = template(renderWorkload(of)).spec.containers;
    return (container as unknown as { volumeMounts: { name: string; mountPath: string }[] }).volumeMounts;
  };

  test('decides what runs the pods: one writer, or any number of them', () => {
    const kinds = [{}, ...halves, everywhere].map((each) => renderWorkload(site(each)).kind);
    assert.deepEqual(kinds, ['StatefulSet', 'StatefulSet', 'StatefulSet', 'Deployment']);
    assert.equal(renderVolumeClaim(site(everywhere)), undefined);
    assert.ok(halves.every((half) => renderVolumeClaim(site(half)) !== undefined));
    assert.equal(renderVolumeClaim(site({ storage: { filesystem: { existingClaim: 'mine' } } })), undefined);
  });

  test('SQLite has its folder on the volume also where the bytes are elsewhere', () => {
    assert.equal(document(site(halves[0])).metadata.sqlite?.path, '/var/lib/ne-registry');
  });

  test('every folder and file that the document names is mounted, and no credential is in it', () => {
    const of = site(everywhere);
    const text = JSON.stringify(document(of));
    const named = [...text.matchAll(/"(\/[^"]+)"/g)].map(([, path = '']) => path);
    assert.ok(named.length >= 9);
    const places = mounts(of).map(({ mountPath }) => mountPath);
    for (const path of named)
      assert.ok(
        places.some((place) => path === place || path.startsWith(`${place}/`)),
        path,
      );
    const keys = Object.keys(decode(renderBootstrap(of) as Secret)).sort();
    assert.deepEqual(keys, ['backup-ca.crt', 'config.yaml', 'metadata-ca.crt', 'storage-ca.crt']);
  });

  test('a change of it replaces the pods, a change of how it is looked after does not', () => {
    const pods = (each: Partial<RegistrySpec>) =>
      JSON.stringify(template(renderWorkload(site({ ...everywhere, ...each }))));
    const { s3 } = everywhere.storage ?? {};
    assert.equal(pods({ reclaim: { grace: '1h' }, scrub: { rate: '0' }, logging: { level: 'debug' } }), pods({}));
    const elsewhere = { target: { s3: { ...everywhere.backup?.target.s3, bucket: 'other-backups' } } };
    assert.equal(pods({ backup: elsewhere }), pods({}));
    assert.ok(s3);
    assert.notEqual(pods({ storage: { s3: { ...s3, endpoint: 'https://other.example' } } }), pods({}));
    assert.notEqual(pods({ storage: { s3: { ...s3, caBundle: `${pem}${pem}` } } }), pods({}));
    assert.notEqual(pods({ metadata: { postgres: { secretRef: { name: 'registry-db-app' } } } }), pods({}));
  });

  test('a pod on a volume is as it was before there were other places', () => {
    assert.ok(!JSON.stringify(template(renderWorkload(site(everything)))).includes('ne-registry.io/places'));
    assert.equal('lingerSeconds' in parse(decode(renderBootstrap(site()) as Secret)['config.yaml'] ?? ''), false);
  });

  test('only where all is on the volume may nothing leave the pod', () => {
    const types = (each: Partial<RegistrySpec>) =>
      (renderNetworkPolicy(site(each)) as KubeObject & { spec: { policyTypes: string[] } }).spec.policyTypes;
    assert.deepEqual(types({ backup: { target: { existingClaim: 'second' } } }), ['Ingress', 'Egress']);
    for (const each of [everywhere, halves[0], { metadata: halves[1]?.metadata }, { backup: everywhere.backup }]) {
      assert.deepEqual(types(each as Partial<RegistrySpec>), ['Ingress']);
    }
    const replicating = renderNetworkPolicy({ ...site({}), replicates: true }) as KubeObject & {
      spec: { policyTypes: string[] };
    };
    assert.deepEqual(replicating.spec.policyTypes, ['Ingress']);
  });
});

describe('workers of their own', () => {
  const of = site(separate);
  const workers = (each: Site) => renderWorkers(each).at(-1) as KubeObject;
  const documents = (each: Site) => decode(renderBootstrap(each) as Secret);
  const read = (each: Site, key: string) => RegistryBootstrap.parse(parse(documents(each)[key] ?? ''));

  test('are there where the spec asks for them and pods share everything, and nowhere else', () => {
    const elsewhere: Partial<RegistrySpec>[] = [
      {},
      everywhere,
      { ...everywhere, workers: { mode: 'InPod' } },
      ...halves,
    ];
    for (const each of [...elsewhere, { workers: { mode: 'Separate' } as const }]) {
      assert.deepEqual(renderWorkers(site(each)), []);
      assert.equal(documents(site(each))['workers.yaml'], undefined);
      assert.equal(read(site(each), 'config.yaml').workers.run, 'InPod');
    }
    assert.deepEqual(
      renderWorkers(of).map(({ kind, metadata }) => `${kind} ${metadata.name}`),
      ['NetworkPolicy main-workers', 'Service main-workers', 'Deployment main-workers'],
    );
  });

  test('do the work that the registry leaves to them, on the same stores', () => {
    const [serving, working] = [read(of, 'config.yaml'), read(of, 'workers.yaml')];
    assert.deepEqual(
      [serving.workers, working.workers],
      [
        { run: 'None', concurrency: 2 },
        { run: 'Only', concurrency: 2 },
      ],
    );
    for (const part of ['storage', 'metadata', 'reclaim', 'scrub', 'backup', 'inUse', 'generation'] as const)
      assert.deepEqual(working[part], serving[part], part);
  });

  test('get what is for stores and nothing that is for clients', () => {
    const { spec: pod } = template(workers(of));
    const keys = pod.volumes.flatMap(({ secret }) => secret?.items?.map(({ key }) => key) ?? []);
    const authorities = ['storage-ca.crt', 'metadata-ca.crt', 'backup-ca.crt'];
    assert.deepEqual(keys, ['workers.yaml', ...authorities, 'token.key']);
    const named = [...JSON.stringify(read(of, 'workers.yaml')).matchAll(/"(\/[^"]+)"/g)].map(([, path = '']) => path);
    const [container] = pod.containers as unknown as { volumeMounts: { mountPath: string }[]; ports: unknown[] }[];
    for (const path of named)
      assert.ok(
        container?.volumeMounts.some(({ mountPath }) => path.startsWith(mountPath)),
        path,
      );
    assert.equal(container?.ports.length, 1);
  });

  test("have resources of their own or the registry's, and are selected by nothing of the registry's", () => {
    const resources = (each: Partial<RegistrySpec>) =>
      (template(workers(site(each))).spec.containers as unknown as { resources: object }[])[0]?.resources;
    assert.deepEqual(resources(separate), {
      requests: { cpu: '100m', memory: '192Mi' },
      limits: { memory: '256Mi' },
    });
    assert.deepEqual(resources({ ...separate, workers: { mode: 'Separate' } }), {
      requests: { cpu: '100m', memory: '1Gi' },
    });
    const { labels } = template(workers(of)).metadata;
    type Selecting = KubeObject & { spec: { selector: Record<string, string> } };
    for (const service of [renderService(of), renderGoverningService(of)])
      assert.ok(!matches((service as Selecting).spec.selector, labels));
    assert.ok(matches((renderWorkers(of)[1] as Selecting).spec.selector, labels));
  });

  test('when they come or go the registry is replaced; how much they do at once is taken over by what runs', () => {
    const pods = (each: Partial<RegistrySpec>) => JSON.stringify(template(renderWorkload(site(each))));
    assert.notEqual(pods(separate), pods({ ...separate, workers: { mode: 'InPod' } }));
    assert.equal(pods({ ...separate, workers: { mode: 'Separate' } }), pods(separate));
    assert.equal(pods({ ...everywhere, workers: { concurrency: 7 } }), pods(everywhere));
  });
});

describe('replicas', () => {
  type Spec = { replicas?: number; strategy: unknown; maxUnavailable?: unknown };
  const specOf = (object: KubeObject | undefined) => (object as (KubeObject & { spec: Spec }) | undefined)?.spec;
  const shared = { storage: everywhere.storage, metadata: everywhere.metadata } as Partial<RegistrySpec>;

  test('there is always one ready more than leaves, and one may be away while nodes are drained', () => {
    assert.deepEqual(specOf(renderWorkload(site(everywhere)))?.strategy, {
      type: 'RollingUpdate',
      rollingUpdate: { maxSurge: 1, maxUnavailable: 0 },
    });
    assert.equal(specOf(renderDisruptionBudget(site(everywhere)))?.maxUnavailable, 1);
    assert.equal(renderDisruptionBudget(site(shared)), undefined);
    assert.equal(
      specOf(renderDisruptionBudget(site({ ...everywhere, pdb: { maxUnavailable: 2 } })))?.maxUnavailable,
      2,
    );
  });

  test('their number is left to an autoscaler where the spec does not say it', () => {
    assert.equal(specOf(renderWorkload(site(everywhere)))?.replicas, 3);
    assert.equal('replicas' in (specOf(renderWorkload(site(shared))) ?? {}), false);
  });

  test('they are spread softly unless the spec says how', () => {
    const spread = (each: Partial<RegistrySpec>) =>
      JSON.stringify(template(renderWorkload(site({ ...everywhere, ...each }))).spec);
    assert.match(spread({}), /"topologyKey":"kubernetes.io\/hostname","whenUnsatisfiable":"ScheduleAnyway"/);
    assert.doesNotMatch(spread({ topologySpread: [] }), /topologySpreadConstraints/);
    const own = { maxSkew: 2, topologyKey: 'rack', whenUnsatisfiable: 'DoNotSchedule' } as const;
    assert.match(spread({ topologySpread: [own] }), /"topologyKey":"rack"/);
    assert.doesNotMatch(spread({ topologySpread: [own] }), /hostname/);
  });
});

describe('settings that cannot be carried out', () => {
  test('each is named', () => {
    const all: Partial<RegistrySpec> = {
      expose: { gateway: { parentRefs: [{ name: 'gw' }] } },
      proxyProtocol: true,
      tls: { certManager: { issuerRef: { name: 'i' } } },
      auth: {
        serviceAccounts: {},
        oidc: { issuerURL: 'https://i', clientID: 'c' },
        clientCertificates: { caBundle: 'PEM' },
      },
      quota: [{ project: 'a', size: '1Gi' }],
      immutableTags: [{ project: 'a', tags: ['v*'] }],
      workers: { mode: 'Separate' },
      audit: { destination: 'Stdout' },
    };
    const named = unsupportedSettings({ host: 'a.b', ...all });
    assert.equal(named.length, 10);
    for (const key of Object.keys(all))
      assert.ok(
        named.some((field) => field.startsWith(`spec.${key}`)),
        key,
      );
  });

  test('what is supported is not among them', () => {
    for (const each of [everything, everywhere, separate, ...halves])
      assert.deepEqual(unsupportedSettings(site(each).spec), []);
    assert.deepEqual(
      unsupportedSettings({
        host: 'a.b',
        workers: { mode: 'InPod', concurrency: 1 },
        metadata: { sqlite: {} },
        replicas: 1,
      }),
      [],
    );
  });

  test('every field of the schema is either carried out or refused', async () => {
    const crd = parse(await readFile(new URL('../../../crds/ne-registry.io_registries.yaml', import.meta.url), 'utf8'));
    const fields = Object.keys(crd.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties);
    const carriedOut = [...Object.keys(everything), ...Object.keys(everywhere), 'suspend', 'workers'];
    const refused = ['proxyProtocol', 'quota', 'immutableTags', 'audit'];
    const unknown = fields.filter((field) => !carriedOut.includes(field) && !refused.includes(field));
    assert.deepEqual(unknown, []);
  });
});

interface PodTemplate {
  metadata: { labels: Record<string, string> };
  spec: {
    terminationGracePeriodSeconds: number;
    automountServiceAccountToken: boolean;
    securityContext: { runAsNonRoot?: boolean; runAsUser?: number; seccompProfile?: { type: string } };
    containers: { securityContext: Record<string, unknown> }[];
    volumes: { name: string; hostPath?: object; secret?: { items?: { key: string }[] } }[];
  };
}

function template(object: KubeObject): PodTemplate {
  return (object as KubeObject & { spec: { template: PodTemplate } }).spec.template;
}

function assertRestricted(pod: PodTemplate['spec']): void {
  assert.equal(pod.automountServiceAccountToken, false);
  assert.equal(pod.securityContext.runAsNonRoot, true);
  assert.notEqual(pod.securityContext.runAsUser, 0);
  assert.equal(pod.securityContext.seccompProfile?.type, 'RuntimeDefault');
  for (const { securityContext } of pod.containers) {
    assert.equal(securityContext.allowPrivilegeEscalation, false);
    assert.equal(securityContext.readOnlyRootFilesystem, true);
    assert.deepEqual(securityContext.capabilities, { drop: ['ALL'] });
  }
  assert.ok(pod.volumes.every((volume) => volume.hostPath === undefined));
}

function matches(selector: Record<string, string>, labels: Record<string, string>): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}
