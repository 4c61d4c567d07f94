/** Reads the Events of what does not get on: only they say why a claim has no volume or a pod cannot be made. */
import type { KubeClient } from '../kube/client.ts';
import type { KubeObject } from '../kube/object.ts';
import type { Incident } from './health.ts';

interface CoreEvent extends KubeObject {
  type?: string;
  reason?: string;
  message?: string;
  lastTimestamp?: string | null;
  eventTime?: string | null;
}

/** The incidents of the given objects, newest first. */
export async function readIncidents(
  client: KubeClient,
  about: readonly { readonly what: Incident['about']; readonly object: KubeObject | undefined }[],
): Promise<Incident[]> {
  const found: (Incident & { time: string })[] = [];
  for (const { what, object } of about) {
    if (object?.metadata.uid === undefined || object.metadata.namespace === undefined) continue;
    const events = await client.list<CoreEvent>(
      { apiVersion: 'v1', kind: 'Event' },
      { namespace: object.metadata.namespace, fieldSelector: `involvedObject.uid=${object.metadata.uid}` },
    );
    for (const event of events) {
      const time = event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp ?? '';
      const { type = '', reason = '', message = '' } = event;
      if (type === 'Warning' || reason === 'FailedBinding') found.push({ about: what, type, reason, message, time });
    }
  }
  return found.sort((a, b) => b.time.localeCompare(a.time));
}
