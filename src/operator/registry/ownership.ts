/** Whether an object of a name that we want is ours to write. */
import { describeRef, type KubeObject, refOf } from '../kube/object.ts';
import { Failing } from './failing.ts';
import { managedBy, registryLabel } from './names.ts';
import type { Site } from './site.ts';

/**
 * Throws Failing where `live` is somebody else's object that happens to have a child's name: an apply with force would
 * take it over. What an earlier Registry of this name left is ours.
 */
export function refuseForeign(site: Site, live: KubeObject | undefined): void {
  if (live === undefined || isOurs(site, live)) return;
  throw new Failing(
    'NameTaken',
    `${describeRef(refOf(live))} exists and was not made for this Registry: rename or delete it, or give the Registry another name`,
  );
}

/** Whether it was made for this Registry, or for an earlier one of its name. */
export function isOurs(site: Site, live: KubeObject): boolean {
  const labels = live.metadata.labels ?? {};
  return (
    labels[registryLabel] === site.name && Object.entries(managedBy).every(([key, value]) => labels[key] === value)
  );
}
