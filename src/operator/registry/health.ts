/**
 * What the workload, its pod and its claim tell of a Registry's health. Pure: what was observed comes in, where it
 * stands goes out, with a message that says what is wrong and what to do.
 */
import type { KubeObject } from '../kube/object.ts';
import type { Standing } from '../runtime/conditions.ts';
import type { VolumeClaim } from './children/volume-claim.ts';
import type { RegistryComponent } from './names.ts';

export interface Workload extends KubeObject {
  spec?: { replicas?: number };
  status?: {
    observedGeneration?: number;
    replicas?: number;
    readyReplicas?: number;
    updatedReplicas?: number;
    /** Of a StatefulSet. */
    currentRevision?: string;
    updateRevision?: string;
    /** Of a Deployment. */
    conditions?: { type: string; status: string; message?: string }[];
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
      started?: boolean;
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
  /** Whose pods they are. */
  readonly of: RegistryComponent;
  readonly workload: Workload;
  readonly pods: readonly Pod[];
  readonly claim: VolumeClaim | undefined;
  /** Newest first; only read while something is not well. */
  readonly incidents: readonly Incident[];
  readonly image: string;
  /** Whether the registry was seen to serve by these very settings; then the loss of some pods does not unmake that. */
  readonly confirmed: boolean;
  /** Why a pod that runs takes no requests, in its own words. */
  readonly said?: string;
}

export interface Verdict {
  /** Where the workload stands; undefined where it serves, and its pods are of the newest specification. */
  readonly standing?: Standing;
  /** Which pods do not serve, where others do. */
  readonly degraded?: string;
}

const imageReasons = new Set(['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull']);
/** What a pod last said is cut to this many characters: a condition is read by people. */
const longest = 700;

export function judgeWorkload(seen: Observation): Verdict {
  const pods = newestRevision(living(seen.pods));
  if (pods.length === 0) return { standing: withoutPod(seen) };
  const troubled = pods.filter((pod) => !isReady(pod));
  const trouble = first(troubled, (pod) => unscheduled(pod, seen) ?? notRunning(pod, seen) ?? silent(pod, seen));
  const rolling = rollingOut(seen);
  if (rolling === undefined && missing(seen) === 0 && troubled.length === 0) return {};
  if (rolling === undefined && seen.confirmed && (seen.workload.status?.readyReplicas ?? 0) > 0) {
    return { degraded: `${count(seen)}${trouble === undefined ? '' : `: ${trouble.message}`}` };
  }
  return { standing: trouble ?? rolling ?? notReady(troubled[0], seen) };
}

/** How many pods there should be. */
export function desiredReplicas({ spec }: Workload): number {
  return spec?.replicas ?? 1;
}

/** The pods that are not on their way out, the newest first. */
export function living(pods: readonly Pod[]): Pod[] {
  return pods
    .filter((pod) => pod.metadata.deletionTimestamp === undefined)
    .sort((a, b) => (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? ''));
}

/** Those of the specification of the first; what is wrong with pods that are being replaced is being put right. */
function newestRevision(pods: readonly Pod[]): readonly Pod[] {
  const revision = ({ metadata: { labels } }: Pod) => labels?.['pod-template-hash'];
  return pods.filter((pod, _index, [newest]) => newest !== undefined && revision(pod) === revision(newest));
}

function first<T, R>(items: readonly T[], look: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = look(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

function missing({ workload }: Observation): number {
  return Math.max(0, desiredReplicas(workload) - (workload.status?.readyReplicas ?? 0));
}

function count({ workload }: Observation): string {
  return `${workload.status?.readyReplicas ?? 0} of ${desiredReplicas(workload)} replicas are ready`;
}

function withoutPod(seen: Observation): Standing {
  const refused = refusal(seen);
  if (refused !== undefined) {
    return failing('PodRefused', `${podOf(seen)} is refused: ${refused}; remove what refuses it`);
  }
  const leaving = seen.pods.length > 0;
  return progressing('PodStarting', leaving ? 'the earlier pod is ending' : `waiting for ${podOf(seen)}`);
}

/** A StatefulSet tells by an event, a Deployment by a condition. */
function refusal(seen: Observation): string | undefined {
  const failure = seen.workload.status?.conditions?.find(({ type }) => type === 'ReplicaFailure');
  if (failure?.status === 'True') return failure.message ?? 'unknown';
  return incident(seen, 'workload', ['FailedCreate'])?.message;
}

function unscheduled(pod: Pod, seen: Observation): Standing | undefined {
  const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status !== 'False') return undefined;
  const why = scheduled.message ?? scheduled.reason ?? 'unknown';
  const claim = claimPending(seen);
  // A claim whose class waits for its first consumer is pending because the pod is, not the other way round.
  if (claim !== undefined && (claim.state === 'failing' || /persistentvolumeclaim/i.test(why))) return claim;
  return failing('PodUnschedulable', `no node takes ${podOf(seen)}: ${why}`);
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
  return crashed(pod, seen) ?? unmounted(pod, seen);
}

function crashed(pod: Pod, seen: Observation): Standing | undefined {
  const container = containerOf(pod);
  const { waiting } = container?.state ?? {};
  if (pod.status?.phase === 'Failed' && container === undefined) {
    return failing(
      'PodFailing',
      `${podOf(seen)} failed: ${clip(pod.status.message ?? pod.status.reason ?? 'unknown')}`,
    );
  }
  if (waiting?.reason === 'CreateContainerConfigError' || waiting?.reason === 'CreateContainerError') {
    return failing(
      'PodFailing',
      `the container of ${podOf(seen)} cannot be created: ${clip(waiting.message ?? waiting.reason)}`,
    );
  }
  const ended = howItEnded(container, seen);
  return ended && failing('PodFailing', describeEnd(ended, seen));
}

/** One that is up again and says why it takes no requests is past how it ended. */
function howItEnded(container: ReturnType<typeof containerOf>, { said }: Observation): ContainerState['terminated'] {
  const up = container?.ready === true || (said !== undefined && container?.started === true);
  return container?.state?.terminated ?? (up ? undefined : container?.lastState?.terminated);
}

function describeEnd(ended: NonNullable<ContainerState['terminated']>, seen: Observation): string {
  const { exitCode = 0, reason } = ended;
  const last = ended.message === undefined || ended.message.trim() === '' ? '' : `: ${clip(ended.message)}`;
  const memory = reason === 'OOMKilled' ? '; it ran out of memory: raise spec.resources.limits.memory' : '';
  return `${podOf(seen)} ended with exit code ${exitCode} (${reason ?? 'Error'})${memory}${last}`;
}

function unmounted(pod: Pod, seen: Observation): Standing | undefined {
  if (containerOf(pod)?.state?.running !== undefined) return undefined;
  const why = incident(seen, 'pod', ['FailedMount', 'FailedAttachVolume', 'FailedMapVolume']);
  return why && failing('VolumeMountFailed', `a volume of ${podOf(seen)} cannot be mounted: ${clip(why.message)}`);
}

/** A registry that was up and takes no requests: what it says of that is what it keeps in other places. */
function silent(pod: Pod, { said, of }: Observation): Standing | undefined {
  if (said === undefined || containerOf(pod)?.started !== true) return undefined;
  if (of === 'workers') return failing('NotWorking', `the workers' pod runs and is not ready, because ${clip(said)}`);
  return failing('NotServing', `the registry runs and takes no requests, because ${clip(said)}`);
}

function rollingOut(seen: Observation): Standing | undefined {
  if (isCurrent(seen.workload)) return undefined;
  const { updatedReplicas = 0 } = seen.workload.status ?? {};
  const desired = desiredReplicas(seen.workload);
  const many = `${updatedReplicas} of ${desired} replicas are of the new specification`;
  return progressing('RollingOut', desired > 1 ? many : 'a pod of the new specification is taking over');
}

/** Whether all pods there are to be, and no others, are of the newest specification. */
function isCurrent({ kind, metadata, spec, status }: Workload): boolean {
  const { observedGeneration = -1, replicas = 0, updatedReplicas = 0, currentRevision, updateRevision } = status ?? {};
  if (observedGeneration < (metadata.generation ?? 0)) return false;
  if (kind === 'StatefulSet') return currentRevision === updateRevision || updatedReplicas >= 1;
  return updatedReplicas >= (spec?.replicas ?? 1) && replicas === updatedReplicas;
}

function notReady(pod: Pod | undefined, seen: Observation): Standing {
  if (desiredReplicas(seen.workload) > 1) return progressing('PodStarting', count(seen));
  const started = pod === undefined || containerOf(pod)?.state?.running !== undefined;
  return progressing('PodStarting', started ? starting[seen.of] : `${podOf(seen)} is being set up`);
}

/** Whether the kubelet calls the pod ready. */
export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

const starting = { registry: 'the registry is starting', workers: 'the workers are starting' };

function podOf({ of }: Observation): string {
  return of === 'workers' ? "the workers' pod" : "the registry's pod";
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
