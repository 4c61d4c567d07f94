import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { truncateSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Peer, startDistribution } from '../../programs/distribution.ts';
import { cli, freshHome } from './cli.ts';
import { type SampleDescriptor, SampleLayout } from './sample.ts';

/** What skopeo writes is what Podman and Docker write; every kind must arrive as the same image. */
describe('an image in a file', () => {
  const env = freshHome();
  let peer: Peer;
  let scratch: string;
  let layout: string;
  let image: SampleDescriptor & { layers: readonly SampleDescriptor[] };

  before(async () => {
    peer = await startDistribution();
    scratch = await mkdtemp(join(tmpdir(), 'ne-archives-'));
    const sample = new SampleLayout(join(scratch, 'layout'));
    image = await sample.image([700_000, 3000]);
    sample.add(image, 'x');
    layout = await sample.finish();
  });

  after(async () => {
    await peer.stop();
    await rm(scratch, { recursive: true, force: true });
    await rm(env.HOME as string, { recursive: true, force: true });
  });

  async function pushed(file: string, tag: string): Promise<{ digest: string }> {
    const run = await cli(['push', `${peer.host}/team/app:${tag}`, file, '--output', 'json'], env);
    assert.equal(run.code, 0, run.stderr);
    execFileSync('skopeo', [
      'copy',
      '--quiet',
      '--src-tls-verify=false',
      `docker://${peer.host}/team/app:${tag}`,
      `dir:${scratch}/${tag}`,
    ]);
    return JSON.parse(run.stdout);
  }
  const skopeo = (to: string) => execFileSync('skopeo', ['copy', '--quiet', `oci:${layout}:x`, to]);

  it('is pushed from an OCI archive, plain or compressed', async () => {
    const file = join(scratch, 'oci.tar');
    skopeo(`oci-archive:${file}:x`);
    // skopeo compresses the layers on its way into an archive, so the digest is the archive's own.
    const raw = execFileSync('skopeo', ['inspect', '--raw', `oci-archive:${file}:x`]);
    const digest = `sha256:${createHash('sha256').update(raw).digest('hex')}`;
    assert.equal((await pushed(file, 'oci')).digest, digest);
    execFileSync('gzip', ['-k', file]);
    assert.equal((await pushed(`${file}.gz`, 'gz')).digest, digest);
  });

  it('is pushed from a docker-archive, whose links lead to layers, always with the same digest', async () => {
    const file = join(scratch, 'docker.tar');
    skopeo(`docker-archive:${file}:example.com/team/app:x`);
    const first = await pushed(file, 'docker');
    assert.equal((await pushed(file, 'docker2')).digest, first.digest);
    const run = await cli(['inspect', `${peer.host}/team/app:docker`, '--output', 'json'], env);
    const { manifest } = JSON.parse(run.stdout);
    assert.deepEqual(
      manifest.layers.map((layer: SampleDescriptor) => layer.digest),
      image.layers.map((layer) => layer.digest),
    );
  });

  it('is refused in words when it is cut short, or no image', async () => {
    const file = join(scratch, 'cut.tar');
    skopeo(`oci-archive:${file}:x`);
    truncateSync(file, 300_000);
    const cut = await cli(['push', `${peer.host}/cut/app:x`, file], env);
    assert.deepEqual([cut.code, cut.stdout], [1, '']);
    assert.match(
      cut.stderr,
      /cut\.tar: (the archive ends in the middle|not a readable tar archive|neither an OCI layout)/,
    );
    const none = await cli(['push', `${peer.host}/cut/app:x`, scratch], env);
    assert.match(none.stderr, /neither an OCI layout \(no index\.json\) nor a docker-archive/);
    const missing = await cli(['push', `${peer.host}/cut/app:x`, join(scratch, 'nothing')], env);
    assert.match(missing.stderr, /no such file or folder/);
    assert.equal((await cli(['tags', `${peer.host}/cut/app`], env)).code, 1);
  });

  it('asks which, where there are several', async () => {
    const sample = new SampleLayout(join(scratch, 'several'));
    sample.add(await sample.image([10]), 'one');
    sample.add(await sample.image([20]), 'two');
    const folder = await sample.finish();
    const unsure = await cli(['push', `${peer.host}/several/app:three`, folder], env);
    assert.equal(unsure.code, 1);
    assert.match(unsure.stderr, /holds 2 images.*--image: one, two/);
    assert.equal((await cli(['push', `${peer.host}/several/app:three`, folder, '--image', 'two'], env)).code, 0);
  });

  it('with a large layer passes in bounded memory', async () => {
    const sample = new SampleLayout(join(scratch, 'large'));
    sample.add(await sample.image([400_000_000]), 'x');
    const folder = await sample.finish();
    const up = await cli(['push', `${peer.host}/large/app:x`, folder], env);
    const down = await cli(['pull', `${peer.host}/large/app:x`, '--out', join(scratch, 'large.tar')], env);
    assert.deepEqual([up.code, down.code], [0, 0], up.stderr + down.stderr);
    for (const { peakRss } of [up, down]) assert.ok(peakRss > 0 && peakRss < 200_000_000, `${peakRss} bytes`);
  });
});
