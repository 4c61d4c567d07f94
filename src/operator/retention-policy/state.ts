/** What a registry says of a policy, cut to what the resource's status may hold. Pure. */
import * as z from 'zod';
import { cut, lenientList, time } from '../rules/state.ts';

const count = z.number().int().min(0).optional().catch(undefined);

const Image = z.object({
  repository: cut(255),
  digest: cut(135),
  tags: lenientList(cut(128), 10),
  rulePriority: count,
  reason: cut(1024).optional().catch(undefined),
  pushedAt: time,
  sizeBytes: count,
});

const Plan = z.object({
  hash: cut(71).optional().catch(undefined),
  createdAt: time,
  expiresAt: time,
  expiring: count,
  keeping: count,
  blockedInUse: count,
  expiringBytes: count,
  url: cut(1024).optional().catch(undefined),
  images: lenientList(Image, 100),
});

const Cluster = z.object({
  name: cut(63),
  reportedAt: time,
  stale: z.boolean().optional().catch(undefined),
  images: count,
  namespaces: lenientList(cut(63), 256),
});

const PolicyState = z.object({
  /** The generation that the registry's worker has seen; -1 where it has seen none. */
  generation: z.number().int().catch(-1),
  lastEvaluation: time,
  nextEvaluation: time,
  plan: Plan.optional().catch(undefined),
  totals: z.object({ expired: count, expiredBytes: count, blockedInUse: count }).optional().catch(undefined),
  inUse: z
    .object({ clusters: lenientList(Cluster, 512) })
    .optional()
    .catch(undefined),
});

/** The fields are those of `status`. A field that has another shape is left out: another version may know more. */
export type PolicyState = z.output<typeof PolicyState>;

/** Reads the `state` of a retention rule. */
export function readPolicyState(state: unknown): PolicyState {
  const read = PolicyState.safeParse(state);
  return read.success ? read.data : { generation: -1 };
}
