/** Clients that do what clients do, all at once, against a registry that is killed under them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, type Client, digestOf, imageType } from '../client.ts';
import { type Image, type Ledger, pick, repositories } from './ledger.ts';

export interface Scene {
  readonly ledger: Ledger;
  /** The registry as it is now; another one after a kill. */
  registry(): Client;
  readonly over: AbortSignal;
}

const KEPT = 3;

/** Runs one client's steps until the scene is over. A broken connection is what a kill looks like, and no failure. */
async function until({ over, ledger }: Scene, step: () => Promise<void>): Promise<void> {
  while (!over.aborted) {
    try {
      await step();
    } catch (error) {
      if (!(error instanceof TypeError)) ledger.violations.push(`${error instanceof Error ? error.stack : error}`);
      await sleep(50);
    }
  }
}

/** Pushes images, moves its tag to the newest, and deletes all but the newest few. */
export function pusher(scene: Scene, name: string): Promise<void> {
  const own: Image[] = [];
  return until(scene, async () => {
    const { ledger } = scene;
    const image = ledger.newImage(name);
    if (await pushImage(scene, image, name)) own.push(image);
    while (own.length > KEPT) await deleteImage(scene, own.shift());
    await sleep(Math.random() * 100);
  });
}

async function pushImage(scene: Scene, image: Image, tag: string): Promise<boolean> {
  const { ledger } = scene;
  for (let tries = 0; tries < 5; tries++) {
    for (const bytes of image.blobs) await ensureBlob(scene, image.repository, bytes);
    const put = await scene.registry().request('PUT', `/v2/${image.repository}/manifests/${tag}`, {
      body: image.body,
      headers: { 'content-type': imageType },
    });
    ledger.count(`manifest ${put.status}`);
    if (put.status === 201) {
      image.state = 'living';
      return true;
    }
    // A blob that was there a moment ago is gone: the grace time was over before the manifest came.
    if (put.error !== 'MANIFEST_BLOB_UNKNOWN') return unexpected(ledger, 'manifest PUT', put);
  }
  image.state = 'deleted';
  return false;
}

/** As a client does: it asks, perhaps mounts, and pushes where neither helped. */
async function ensureBlob({ registry, ledger }: Scene, repository: string, bytes: Buffer): Promise<void> {
  const digest = digestOf(bytes);
  const head = await registry().request('HEAD', `/v2/${repository}/blobs/${digest}`);
  ledger.count(`blob HEAD ${head.status}`);
  if (head.status === 200) return;
  const mount = Math.random() < 0.5 ? `?mount=${digest}&from=${pick(repositories)}` : '';
  const begun = await registry().request('POST', `/v2/${repository}/blobs/uploads/${mount}`);
  ledger.count(`upload POST ${begun.status}`);
  if (begun.status === 201) return;
  const location = begun.headers.get('location') ?? '';
  const put = await registry().request('PUT', `${location}?digest=${digest}`, { body: bytes });
  ledger.count(`upload PUT ${put.status}`);
  // 404: the sweep has taken it for abandoned, or a kill came in between.
  if (put.status !== 201 && put.status !== 404) unexpected(ledger, 'upload PUT', put);
}

async function deleteImage({ registry, ledger }: Scene, image: Image | undefined): Promise<void> {
  if (image === undefined) return;
  image.state = 'unknown';
  const answer = await registry().request('DELETE', `/v2/${image.repository}/manifests/${image.digest}`);
  ledger.count(`manifest DELETE ${answer.status}`);
  if (answer.status === 202) image.state = 'deleted';
  else unexpected(ledger, 'manifest DELETE', answer);
}

/** Pulls what somebody pushed: every byte of it is there for as long as nobody deletes it. */
export function puller(scene: Scene): Promise<void> {
  return until(scene, async () => {
    const { ledger } = scene;
    const image = ledger.livingImage();
    await sleep(Math.random() * 50);
    if (image === undefined) return;
    for (const [path, wanted] of addresses(image)) {
      const got = await scene.registry().request('GET', path);
      ledger.count(`GET ${got.status}`);
      const right = got.status === 200 && got.body.equals(wanted);
      // What its owner has begun to delete meanwhile may be gone, but is never wrong.
      if (right || (got.status === 404 && image.state !== 'living')) continue;
      ledger.violations.push(`${path} of a ${image.state} image: ${got.status}, ${got.body.length} bytes ${got.error}`);
    }
  });
}

export function addresses(image: Image): [string, Buffer][] {
  const base = `/v2/${image.repository}`;
  const blobs = image.blobs.map((bytes): [string, Buffer] => [`${base}/blobs/${digestOf(bytes)}`, bytes]);
  return [[`${base}/manifests/${image.digest}`, image.body], ...blobs];
}

/** Deletes blobs wherever that is allowed, and mounts some from one repository into another. */
export function meddler(scene: Scene): Promise<void> {
  return until(scene, async () => {
    const { ledger, registry } = scene;
    const digest = digestOf(ledger.anyLayer());
    const gone = await registry().request('DELETE', `/v2/${pick(repositories)}/blobs/${digest}`);
    ledger.count(`blob DELETE ${gone.status}`);
    const query = `mount=${digestOf(ledger.layerOfNow())}&from=${pick(repositories)}`;
    const mount = await registry().request('POST', `/v2/${pick(repositories)}/blobs/uploads/?${query}`);
    ledger.count(`mount ${mount.status}`);
    await sleep(Math.random() * 100);
  });
}

/** Begins uploads, and leaves them with some bytes or with all. */
export function quitter(scene: Scene): Promise<void> {
  return until(scene, async () => {
    const { ledger, registry } = scene;
    const begun = await registry().request('POST', `/v2/${pick(repositories)}/blobs/uploads/`);
    const bytes = ledger.anyLayer();
    const body = bytes.subarray(0, Math.ceil(bytes.length * Math.random()));
    await registry().request('PATCH', begun.headers.get('location') ?? '', { body });
    ledger.count('upload left');
    await sleep(Math.random() * 300);
  });
}

function unexpected(ledger: Ledger, what: string, answer: Answer): false {
  ledger.violations.push(`${what}: ${answer.status} ${answer.body}`);
  return false;
}
