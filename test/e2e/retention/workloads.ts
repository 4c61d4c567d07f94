/** Workloads that use images of the registry. */
import { type Bed, eventually } from '../registry/setup.ts';

function podSpec(image: string): object {
  return { terminationGracePeriodSeconds: 1, containers: [{ name: 'c', image }] };
}

export function deployment(
  namespace: string,
  name: string,
  { image, replicas }: { image: string; replicas: number },
): object {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      replicas,
      revisionHistoryLimit: 2,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: podSpec(image) },
    },
  };
}

export function cronJob(namespace: string, name: string, image: string): object {
  return {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name, namespace },
    spec: {
      schedule: '0 0 1 1 *',
      jobTemplate: { spec: { template: { spec: { restartPolicy: 'Never', ...podSpec(image) } } } },
    },
  };
}

export function statefulSet(namespace: string, name: string, image: string): object {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name, namespace },
    spec: {
      replicas: 0,
      serviceName: name,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: podSpec(image) },
    },
  };
}

/** Rolls a Deployment through these images; all but the last are never run, and stay for a rollback alone. */
export async function rollOut(bed: Bed, namespace: string, name: string, images: readonly string[]): Promise<void> {
  for (const [at, image] of images.entries()) {
    const last = at === images.length - 1;
    await bed.apply(deployment(namespace, name, { image, replicas: last ? 1 : 0 }));
    await eventually(`the ReplicaSet of ${image}`, 180, async () => {
      const sets = await bed.cluster.kubectl(['get', 'replicaset', '-n', namespace, '-l', `app=${name}`, '-o', 'json']);
      return sets.includes(`"${image}"`);
    });
  }
  await bed.cluster.kubectl(['rollout', 'status', '-n', namespace, `deployment/${name}`, '--timeout=300s']);
}
