import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ListWatch } from '../../../src/operator/kube/client.ts';
import { KubeError, Silence } from '../../../src/operator/kube/error.ts';
import { follow } from '../../../src/operator/kube/follow.ts';

/** Follows a kind whose watches all end with `error`, until it has asked three times; what it logged. */
async function followed(error: Error): Promise<string[]> {
  const levels: string[] = [];
  const at = (level: string) => () => void levels.push(level);
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const stop = new AbortController();
  let watches = 0;
  const client = {
    async *pages() {
      yield { items: [], resourceVersion: '1' };
    },
    watch() {
      watches += 1;
      if (watches === 3) stop.abort();
      return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) };
    },
  } as unknown as ListWatch;
  const what = { kind: { apiVersion: 'v1', kind: 'Pod' }, namespace: undefined, labelSelector: undefined };
  const follower = { put: () => undefined, remove: () => undefined, listed: () => undefined };
  await follow(client, { ...what, relistSeconds: 600, log }, follower, stop.signal);
  return levels;
}

test('a watch that is silent on a quiet cluster is opened anew without a warning', async () => {
  const cause = new Silence('nothing heard for 150 s');
  const levels = await followed(new KubeError({ status: 0, reason: 'NoAnswer', message: cause.message, cause }));
  assert.deepEqual(levels, ['debug', 'debug', 'debug']);
});

test('a watch that fails is a warning', async () => {
  const cause = new Error('connection reset');
  const levels = await followed(new KubeError({ status: 0, reason: 'NoAnswer', message: cause.message, cause }));
  assert.ok(levels.length > 0 && levels.every((level) => level === 'warn'));
});
