/** What a cluster uses, gathered by image: each once, with who uses it. Pure. */

import type { Digest } from '../../domain/oci/digest.ts';
import { inventoryBounds, type UsedImage } from '../../domain/retention/inventory.ts';
import { keyOf } from '../kube/object.ts';
import type { Use, User } from './use.ts';

/** Users of one image that are named, where there are few images, and where there are many. */
const mostNamed = { few: 5, many: 1 } as const;
const fewImages = 50_000;
/** From a pod to its ReplicaSet to its Deployment; more steps than any workload takes. */
const mostSteps = 4;

/** More is used than a report may hold: none can be made. */
export class TooManyImages extends Error {
  override readonly name = 'TooManyImages';
}

/** All images, sorted by name, so that equal clusters give equal lists. Throws TooManyImages. */
export function imagesOf(users: readonly User[]): UsedImage[] {
  const gathered = gather(users);
  if (gathered.size > inventoryBounds.images) {
    throw new TooManyImages(
      `the workloads name ${gathered.size} images, and a report holds ${inventoryBounds.images}: nothing is reported, and what runs here stays protected only as of the last report`,
    );
  }
  const named = gathered.size > fewImages ? mostNamed.many : mostNamed.few;
  return [...gathered]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([image, { digests, by }]) => ({
      image,
      digests: [...digests].sort() as Digest[],
      by: [...by].sort().slice(0, named),
    }));
}

interface Gathered {
  readonly digests: Set<string>;
  readonly by: Set<string>;
}

function gather(users: readonly User[]): Map<string, Gathered> {
  const owners = new Map(users.map((user) => [nameOf(user), user.owner]));
  const images = new Map<string, Gathered>();
  for (const user of users) {
    if (user.uses.length === 0) continue;
    const by = titleOf(user, owners);
    for (const use of user.uses) add(images, use, by);
  }
  return images;
}

function add(images: Map<string, Gathered>, { image, digests = [] }: Use, by: string): void {
  // Where a runtime tells the digest alone, that is what the image is called.
  const name = image === '' ? (digests[0] ?? '') : image;
  // Longer than any reference can be: nobody pulled it.
  if (name === '' || name.length > inventoryBounds.imageLength) return;
  const known = images.get(name) ?? { digests: new Set(), by: new Set() };
  for (const digest of digests) known.digests.add(digest);
  known.by.add(by);
  images.set(name, known);
}

/** The workload that a person knows it by: `Deployment shop/web` for a pod of one of its ReplicaSets. */
function titleOf(user: User, owners: ReadonlyMap<string, User['owner']>): string {
  const { namespace } = user.metadata;
  let { kind, name } = { kind: user.kind, name: user.metadata.name };
  let owner = user.owner;
  for (let step = 0; owner !== undefined && step < mostSteps; step++) {
    ({ kind, name } = owner);
    owner = owners.get(`${kind} ${keyOf(namespace, name)}`);
  }
  return `${kind} ${keyOf(namespace, name)}`;
}

function nameOf({ kind, metadata: { namespace, name } }: User): string {
  return `${kind} ${keyOf(namespace, name)}`;
}
