/** What of an object of Kubernetes counts as use of an image. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { digestIn, slim } from '../../../src/operator/inventory/use.ts';
import type { KubeObject } from '../../../src/operator/kube/object.ts';

const sha = (letter: string) => `sha256:${letter.repeat(64)}`;
const same = (text: string) => text;

function pod(spec: object, status: object = {}, metadata: object = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'shop', ...metadata }, spec, status };
}

describe('the digest in an imageID', () => {
  const forms: [string | undefined, string | undefined][] = [
    [`docker-pullable://registry.example/team/app@${sha('a')}`, sha('a')],
    [`registry.example:5000/team/app@${sha('b')}`, sha('b')],
    [sha('c'), sha('c')],
    [`docker://${sha('d')}`, sha('d')],
    [`registry.example/app@sha512:${'e'.repeat(128)}`, `sha512:${'e'.repeat(128)}`],
    ['', undefined],
    [undefined, undefined],
    ['registry.example/team/app:1', undefined],
    ['registry.example/team/app@sha256:short', undefined],
    [`registry.example/team/app@${sha('A')}`, undefined],
  ];
  for (const [imageID, digest] of forms) test(String(imageID), () => assert.equal(digestIn(imageID), digest));
});

describe('a pod uses', () => {
  test('the images of all its containers and image volumes, by name and by what nodes made of them', () => {
    const found = slim(
      pod(
        {
          initContainers: [{ name: 'i', image: 'h/init:1' }],
          containers: [
            { name: 'c', image: 'h/app:1' },
            { name: 'not yet', image: 'h/side:1' },
          ],
          ephemeralContainers: [{ name: 'e', image: 'h/debug' }],
          volumes: [
            { name: 'v', image: { reference: 'h/model:7' } },
            { name: 'w', emptyDir: {} },
          ],
        },
        {
          phase: 'Running',
          initContainerStatuses: [{ name: 'i', imageID: `h/init@${sha('1')}` }],
          containerStatuses: [
            {
              name: 'c',
              imageID: sha('2'),
              volumeMounts: [{ name: 'v', volumeStatus: { image: { imageRef: `h/model@${sha('4')}` } } }],
            },
            { name: 'not yet', imageID: '' },
          ],
          ephemeralContainerStatuses: [{ name: 'e', imageID: `h/debug@${sha('3')}` }],
        },
      ),
      'pod',
      same,
    );
    assert.deepEqual(found.uses, [
      { image: 'h/init:1', digests: [sha('1')] },
      { image: 'h/app:1', digests: [sha('2')] },
      { image: 'h/side:1' },
      { image: 'h/debug', digests: [sha('3')] },
      { image: 'h/model:7', digests: [sha('4')] },
    ]);
  });

  test('nothing once it has ended: it never runs again', () => {
    for (const phase of ['Succeeded', 'Failed']) {
      const found = slim(pod({ containers: [{ name: 'c', image: 'h/app:1' }] }, { phase }), 'pod', same);
      assert.deepEqual(found.uses, []);
    }
  });

  test('what it is to run while it is not on a node yet', () => {
    assert.deepEqual(slim(pod({ containers: [{ name: 'c', image: 'h/app:1' }] }), 'pod', same).uses, [
      { image: 'h/app:1' },
    ]);
  });
});

describe('templates are found', () => {
  const template = { spec: { containers: [{ name: 'c', image: 'h/app:1' }] } };
  const object = (kind: string, rest: object): KubeObject => ({
    apiVersion: 'apps/v1',
    kind,
    metadata: { name: 'web', namespace: 'shop' },
    ...rest,
  });
  const places = [
    ['Deployment', { spec: { replicas: 0, template } }, 'template'],
    ['CronJob', { spec: { suspend: true, jobTemplate: { spec: { template } } } }, 'jobTemplate'],
    ['ControllerRevision', { data: { spec: { template: { $patch: 'replace', ...template } } } }, 'revision'],
  ] as const;
  for (const [kind, rest, where] of places) {
    test(`in a ${kind}`, () => assert.deepEqual(slim(object(kind, rest), where, same).uses, [{ image: 'h/app:1' }]));
    test(`and a ${kind} without one uses nothing`, () =>
      assert.deepEqual(slim(object(kind, {}), where, same).uses, []));
  }
});

test('of an object nothing is kept but what it uses, its name, and whose it is', () => {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-1', uid: 'u', controller: true };
  const full = pod(
    { containers: [{ name: 'c', image: 'h/app:1', env: [{ name: 'PASSWORD', value: 'x' }] }] },
    { phase: 'Running' },
    { uid: '1', resourceVersion: '7', labels: { a: 'b' }, annotations: { c: 'd' }, ownerReferences: [owner] },
  );
  assert.deepEqual(slim(full, 'pod', same), {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'shop', uid: '1', resourceVersion: '7' },
    uses: [{ image: 'h/app:1' }],
    owner: { kind: 'ReplicaSet', name: 'web-1' },
  });
});
