import { ensure, eventually, Obstacle, read, type Wanted } from './ask.ts';
import { REPOSITORY, TAG } from './push.ts';
import type { Administrator, Registry } from './registry.ts';
import type { Target } from './target.ts';

export const NAMESPACE = 'ne-registry-demo';
export const POD = 'hello';
const PULL_SECRET = 'registry';

interface Pod {
  metadata: { uid: string };
  status: {
    phase: string;
    podIP?: string;
    containerStatuses?: {
      ready: boolean;
      imageID: string;
      state: { waiting?: { reason: string; message?: string } };
    }[];
  };
}

/** A Pod whose image comes from the registry, and the Secret that it is pulled with. Gives whether anything was written. */
export async function applyApplication(on: Target, registry: Registry, who: Administrator): Promise<boolean> {
  return await ensure(on, objects(registry, who));
}

function objects({ spec }: Registry, { username, password }: Administrator): readonly Wanted[] {
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  const login = JSON.stringify({ auths: { [spec.host]: { username, password, auth } } });
  const metadata = { namespace: NAMESPACE };
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { ...metadata, name: PULL_SECRET },
      type: 'kubernetes.io/dockerconfigjson',
      data: { '.dockerconfigjson': Buffer.from(login).toString('base64') },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...metadata, name: POD, labels: { app: POD } },
      spec: {
        imagePullSecrets: [{ name: PULL_SECRET }],
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
        containers: [
          {
            name: POD,
            image: `${spec.host}/${REPOSITORY}:${TAG}`,
            imagePullPolicy: 'Always',
            readinessProbe: { httpGet: { path: '/', port: 8080 } },
            securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          },
        ],
      },
    },
  ];
}

export interface RunningPod {
  readonly uid: string;
  /** The image with the digest that the node pulled. */
  readonly imageID: string;
}

/** Waits until the Pod runs and is ready; an Obstacle has what the node says of its image. */
export async function podRuns(on: Target): Promise<RunningPod> {
  let last = 'nothing yet';
  const running = await eventually(300, async () => {
    const pod = await read<Pod>(on, `pod/${POD}`, NAMESPACE);
    const container = pod?.status.containerStatuses?.[0];
    if (pod !== undefined && pod.status.phase === 'Running' && container?.ready) {
      return { uid: pod.metadata.uid, imageID: container.imageID };
    }
    const { reason = '', message = '' } = container?.state.waiting ?? {};
    if (message !== '') last = `${reason}: ${message}`;
    return undefined;
  });
  if (running === undefined) throw new Obstacle(`Pod ${NAMESPACE}/${POD} does not run. Its node says ${last}`);
  return running;
}

/** Removes the Pod with its namespace. */
export async function removeApplication(on: Target): Promise<void> {
  await on.kubectl(['delete', 'namespace', NAMESPACE, '--ignore-not-found', '--wait']);
}
