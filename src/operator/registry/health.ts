/**
 * What the workload, its pod and its claim tell of a Registry's health. Pure: what was observed comes in, where it
 * stands goes out, with a message that says what is wrong and what to do.
 */
import type { KubeObject } from '../kube/object.ts';
import type { Standing } from '../runtime/conditions.ts';
import type { VolumeClaim } from './children/volume-claim.ts';

export interface Workload extends KubeObject {
  status?: {
    observedGeneration?: number;
    replicas?: number;
    readyReplicas?: number;
    updatedReplicas?: number;
    currentRevision?: string;
    updateRevision?: string;
  };
}

export interface ContainerState {
  waiting?: { reason?: string; message?: string };
  running?: { startedAt?: string };
  terminated?: { exitCode?: number; reason?: string; message?: string };
}

export interface Pod extends KubeObject {
  status?: {
    phase?: string;
    podIP?: string;
    hostIP?: string;
    reason?: string;
    message?: string;
    conditions?: { type: string; status: string; reason?: string; message?: string }[];
    containerStatuses?: {
      name: string;
      ready?: boolean;
      restartCount?: number;
      image?: string;
      state?: ContainerState;
      lastState?: ContainerState;
    }[];
  };
}

/** A Kubernetes Event, as far as it says why something does not get on. */
export interface Incident {
  readonly about: 'workload' | 'pod' | 'claim';
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

export interface Observation {
  readonly workload: Workload;
  readonly pods: readonly Pod[];
  readonly claim: VolumeClaim | undefined;
  /** Newest first; only read while something is not well. */
  readonly incidents: readonly Incident[];
  readonly image: string;
}

const imageReasons = new Set(['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull']);
/** What a pod last said is cut to this many characters: a condition is read by people. */
const longest = 700;

/** Where the workload stands, or undefined when its pod is ready and of the newest specification. */
export function judgeWorkload(seen: Observation): Standing | undefined {
  const pod = newest(seen.pods);
  if (pod === undefined) return withoutPod(seen);
  return unscheduled(pod, seen) ?? notRunning(pod, seen) ?? rollingOut(seen) ?? notReady(pod, seen);
}

/** The pod that counts: the newest of those that are not on their way out. */
export function newest(pods: readonly Pod[]): Pod | undefined {
  return pods
    .filter((pod) => pod.metadata.deletionTimestamp === undefined)
    .sort((a, b) => (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? ''))[0];
}

function withoutPod(seen: Observation): Standing {
  const refused = incident(seen, 'workload', ['FailedCreate']);
  if (refused !== undefined) {
    return failing('PodRefused', `the registry's pod is refused: ${refused.message}; remove what refuses it`);
  }
  const leaving = seen.pods.length > 0;
  return progressing('PodStarting', leaving ? 'the earlier pod is ending' : "waiting for the registry's pod");
}

function unscheduled(pod: Pod, seen: Observation): Standing | undefined {
  const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status !== 'False') return undefined;
  const why = scheduled.message ?? scheduled.reason ?? 'unknown';
  const claim = claimPending(seen);
  // A claim whose class waits for its first consumer is pending because the pod is, not the other way round.
  if (claim !== undefined && (claim.state === 'failing' || /persistentvolumeclaim/i.test(why))) return claim;
  return failing('PodUnschedulable', `no node takes the registry's pod: ${why}`);
}

function claimPending(seen: Observation): Standing | undefined {
  if (seen.claim === undefined || seen.claim.status?.phase === 'Bound') return undefined;
  const { name } = seen.claim.metadata;
  if (seen.claim.status?.phase === 'Lost') {
    return failing(
      'VolumeClaimLost',
      `the volume of claim ${name} is gone: restore it, or restore the data from a backup`,
    );
  }
  const why = incident(seen, 'claim', ['ProvisioningFailed', 'FailedBinding', 'FailedScheduling']);
  const without =
    seen.claim.spec.storageClassName === undefined ? ' (it names no StorageClass, and there is no default)' : '';
  if (why === undefined) return progressing('VolumeClaimPending', `volume claim ${name} has no volume yet${without}`);
  return failing('VolumeClaimPending', `volume claim ${name} gets no volume${without}: ${why.message}`);
}

function notRunning(pod: Pod, seen: Observation): Standing | undefined {
  const container = containerOf(pod);
  const waiting = container?.state?.waiting;
  if (waiting?.reason !== undefined && imageReasons.has(waiting.reason)) {
    const why = clip(waiting.message ?? waiting.reason);
    return failing(
      'ImagePullFailed',
      `image ${seen.image} cannot be pulled: ${why}; correct spec.image, or make the image reachable for the nodes`,
    );
  }
  return crashed(pod) ?? unmounted(pod, seen);
}

function crashed(pod: Pod): Standing | undefined {
  const container = containerOf(pod);
  const { waiting, terminated } = container?.state ?? {};
  if (pod.status?.phase === 'Failed' && container === undefined) {
    return failing(
      'PodFailing',
      `the registry's pod failed: ${clip(pod.status.message ?? pod.status.reason ?? 'unknown')}`,
    );
  }
  if (waiting?.reason === 'CreateContainerConfigError' || waiting?.reason === 'CreateContainerError') {
    return failing(
      'PodFailing',
      `the registry's container cannot be created: ${clip(waiting.message ?? waiting.reason)}`,
    );
  }
  const ended = terminated ?? (container?.ready === true ? undefined : container?.lastState?.terminated);
  if (ended === undefined) return undefined;
  const { exitCode = 0, reason } = ended;
  const last = ended.message === undefined || ended.message.trim() === '' ? '' : `: ${clip(ended.message)}`;
  const memory = reason === 'OOMKilled' ? '; it ran out of memory: raise spec.resources.limits.memory' : '';
  return failing(
    'PodFailing',
    `the registry's pod ended with exit code ${exitCode} (${reason ?? 'Error'})${memory}${last}`,
  );
}

function unmounted(pod: Pod, seen: Observation): Standing | undefined {
  if (containerOf(pod)?.state?.running !== undefined) return undefined;
  const why = incident(seen, 'pod', ['FailedMount', 'FailedAttachVolume', 'FailedMapVolume']);
  return why && failing('VolumeMountFailed', `a volume of the registry's pod cannot be mounted: ${clip(why.message)}`);
}

function rollingOut({ workload }: Observation): Standing | undefined {
  const { generation = 0 } = workload.metadata;
  const { observedGeneration = -1, updatedReplicas = 0, currentRevision, updateRevision } = workload.status ?? {};
  const current = observedGeneration >= generation && (currentRevision === updateRevision || updatedReplicas >= 1);
  return current ? undefined : progressing('RollingOut', 'a pod of the new specification is taking over');
}

function notReady(pod: Pod, { workload }: Observation): Standing | undefined {
  if ((workload.status?.readyReplicas ?? 0) >= 1 && isReady(pod)) return undefined;
  const started = containerOf(pod)?.state?.running !== undefined;
  return progressing('PodStarting', started ? 'the registry is starting' : "the registry's pod is being set up");
}

/** Whether the kubelet calls the pod ready. */
export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

function containerOf(pod: Pod): NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number] | undefined {
  return pod.status?.containerStatuses?.[0];
}

function incident(seen: Observation, about: Incident['about'], reasons: string[]): Incident | undefined {
  return seen.incidents.find((each) => each.about === about && reasons.includes(each.reason));
}

/** The end of a text, since that is where programs say why they end. */
function clip(text: string): string {
  const plain = text.trim().replace(/\s*\n\s*/g, ' | ');
  return plain.length <= longest ? plain : `…${plain.slice(-longest)}`;
}

function failing(reason: string, message: string): Standing {
  return { state: 'failing', reason, message };
}

function progressing(reason: string, message: string): Standing {
  return { state: 'progressing', reason, message };
}
