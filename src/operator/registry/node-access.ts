/**
 * Sets nodes up to pull, and cleans up after that. What agents write lies outside the cluster, but no finalizer holds the
 * Registry for it: nothing may stand in the way of a deletion, least of all a namespace's, which takes the operator's
 * rights with it. Instead the DaemonSet is not owned: where its Registry is gone, or wants no agents any more, its pods
 * are replaced by ones that remove what was written, and it is deleted when all have. Nodes that do not answer in time
 * are left, and an event says so.
 */

import type { KubeClient } from '../kube/client.ts';
import { ensure } from '../kube/ensure.ts';
import type { KubeObject } from '../kube/object.ts';
import { refOf } from '../kube/object.ts';
import type { Events } from '../runtime/events.ts';
import { type ApplyContext, applyChild, uidOf } from './apply.ts';
import { type NodeAccess, renderNodeAccess, renderRemoval } from './children/node-access.ts';
import { nodePortOf, type Service } from './children/services.ts';
import { living, type Pod } from './health.ts';
import type { Warning } from './status.ts';
import { podsOf } from './view.ts';

/** How long agents may take to remove what they wrote. */
export const cleanUpMs = 90_000;
/** For this long after its creation, agents that are not ready yet count as starting rather than as failing. */
const startUpMs = 180_000;

export interface AgentSet extends KubeObject {
  status?: {
    observedGeneration?: number;
    desiredNumberScheduled?: number;
    updatedNumberScheduled?: number;
    numberReady?: number;
  };
}

export interface NodeAccessState {
  readonly warning: Warning;
  /** Still starting: nodes could not pull yet. */
  readonly starting: boolean;
}

/** Applies the agents' DaemonSet and tells how they do. */
export async function keepNodeAccess(
  context: ApplyContext,
  service: Service | undefined,
  { routed, trusted, now }: { routed: boolean; trusted: boolean; now: Date },
): Promise<NodeAccessState> {
  const nodePort = nodePortOf(service);
  if (nodePort === undefined) return state('Starting', 'the cluster has not yet chosen a node port', true);
  const access: NodeAccess = { nodePort: routed ? nodePort : undefined, trusted };
  const agents = await applyChild<AgentSet>(context, renderNodeAccess(context.site, access) as AgentSet);
  return judgeAgents(agents, podsOf(context.view, context.site, 'node-access'), now);
}

/** How the agents do. Pure. */
export function judgeAgents(agents: AgentSet, pods: readonly Pod[], now: Date): NodeAccessState {
  const { desiredNumberScheduled = 0, numberReady = 0 } = agents.status ?? {};
  if (isRolledOut(agents)) {
    const text = `nodes reach and trust the registry: ${numberReady} of ${desiredNumberScheduled}`;
    return { warning: { type, status: 'True', reason: 'Configured', message: text }, starting: false };
  }
  const age = now.getTime() - Date.parse(agents.metadata.creationTimestamp ?? now.toISOString());
  const complaint = pods.map(agentComplaint).find((text) => text !== undefined);
  const refused = desiredNumberScheduled > 0 && pods.length === 0 && age > 10_000 ? refusedText : undefined;
  const problem = complaint ?? refused;
  const count = `${numberReady} of ${desiredNumberScheduled} nodes are set up`;
  if (problem === undefined) return state('Starting', count, age < startUpMs);
  return state('AgentFailing', `${count}: ${problem}`, false);
}

export interface CleanUp {
  readonly client: KubeClient;
  readonly events: Events;
  /** When cleaning up began. */
  readonly since: Date;
  readonly now: Date;
}

/** One step of cleaning up after `live`, the agents of a Registry that wants none; true when nothing is left to do. */
export async function cleanUpNodes(live: AgentSet, { client, events, since, now }: CleanUp): Promise<boolean> {
  if (live.metadata.deletionTimestamp !== undefined) return true;
  if (now.getTime() - since.getTime() < cleanUpMs) {
    const { object } = await ensure(client, renderRemoval(live) as AgentSet, live);
    if (!isRolledOut(object)) return false;
  } else {
    const { desiredNumberScheduled = 0, numberReady = 0 } = live.status ?? {};
    const note = `node access is removed though only ${numberReady} of ${desiredNumberScheduled} nodes were cleaned: on the others the host stays in containerd's certs.d`;
    events.record(live, { type: 'Warning', reason: 'NodesNotCleaned', note });
  }
  await client.delete(refOf(live), uidOf(live));
  return true;
}

const type = 'NodeAccessReady';
const refusedText =
  'no agent pod could be made; the namespace may enforce a Pod Security level that refuses hostPath volumes: label it pod-security.kubernetes.io/enforce=privileged, or set spec.nodeAccess.mode to None';

function isRolledOut({ metadata, status }: AgentSet): boolean {
  const {
    observedGeneration = -1,
    desiredNumberScheduled = 0,
    updatedNumberScheduled = 0,
    numberReady = 0,
  } = status ?? {};
  if (observedGeneration < (metadata.generation ?? 0)) return false;
  return updatedNumberScheduled >= desiredNumberScheduled && numberReady >= desiredNumberScheduled;
}

function agentComplaint(pod: Pod): string | undefined {
  if (living([pod]).length === 0) return undefined;
  const { waiting } = pod.status?.containerStatuses?.[0]?.state ?? {};
  const ended = pod.status?.containerStatuses?.[0]?.lastState?.terminated;
  if (ended?.message) return `agent ${pod.metadata.name}: ${ended.message.trim().slice(-400)}`;
  if (waiting?.reason === undefined || waiting.reason === 'ContainerCreating') return undefined;
  return `agent ${pod.metadata.name}: ${waiting.message ?? waiting.reason}`;
}

function state(reason: string, message: string, starting: boolean): NodeAccessState {
  return { warning: { type, status: starting ? 'Unknown' : 'False', reason, message }, starting };
}
