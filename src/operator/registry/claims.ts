/** The volume claims of a Registry: the one that holds its data, and the one that backups go to. */

import { Stalled } from '../runtime/errors.ts';
import type { ApplyContext } from './apply.ts';
import { applyChild } from './apply.ts';
import { claimConflict, renderVolumeClaim, type VolumeClaim } from './children/volume-claim.ts';
import { Failing } from './failing.ts';
import { refuseForeign } from './ownership.ts';
import { requireStorageClass } from './storage-class.ts';

/** The claim that holds the data, made or grown where it has to be; undefined where pods hold none. */
export async function keepClaim(run: ApplyContext): Promise<VolumeClaim | undefined> {
  const { client, site } = run;
  if (site.volumeClaim === undefined) return undefined;
  const live = await readClaim(run, site.volumeClaim);
  const desired = renderVolumeClaim(site);
  if (desired === undefined) return live ?? missing(run, 'spec.storage.filesystem.existingClaim', site.volumeClaim);
  refuseForeign(site, live);
  const conflict = claimConflict(site, live);
  if (conflict !== undefined) throw new Stalled('VolumeClaimConflict', conflict);
  if (live === undefined) await requireStorageClass(client, site);
  return await applyChild<VolumeClaim>(run, desired as VolumeClaim);
}

/** Throws Failing or Stalled where the claim that the spec names for backups cannot serve for them. */
export async function requireBackupClaim(run: ApplyContext): Promise<void> {
  const { site } = run;
  const name = site.spec.backup?.target.existingClaim;
  if (name === undefined) return;
  const field = 'spec.backup.target.existingClaim';
  if (name === site.volumeClaim) {
    const text = `${field} names ${name}, which holds the images: name another claim, since a backup beside them is lost with them`;
    throw new Stalled('VolumeClaimConflict', text);
  }
  const live = (await readClaim(run, name)) ?? missing(run, field, name);
  const everywhere = live.spec.accessModes?.includes('ReadWriteMany') ?? false;
  if (!site.shared || everywhere) return;
  throw new Failing(
    'BackupClaimUnusable',
    `PersistentVolumeClaim ${site.namespace}/${name}, which ${field} names, is not ReadWriteMany: pods on several nodes cannot share it; name one that is, or set spec.backup.target.s3`,
  );
}

function readClaim({ client, site }: ApplyContext, name: string): Promise<VolumeClaim | undefined> {
  return client.get<VolumeClaim>({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, namespace: site.namespace });
}

function missing({ site }: ApplyContext, field: string, name: string): never {
  const text = `PersistentVolumeClaim ${site.namespace}/${name}, which ${field} names, does not exist: create it`;
  throw new Failing('VolumeClaimMissing', text);
}
