/** Real clients push, pull, list, sign and delete. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { run } from '../../e2e/cluster/command.ts';
import { type Client, client } from '../registry/client.ts';
import { type Server, startServer } from '../registry/server.ts';
import { type Clients, installClients } from './programs.ts';

let programs: Clients;
let server: Server;
let registry: Client;
let home: string;
let layout: string;
/** The same image in buildah's own store. */
let built: string;
let env: Record<string, string>;

before(async () => {
  programs = await installClients();
  server = await startServer();
  registry = client(server);
  home = mkdtempSync(join(tmpdir(), 'ne-clients-'));
  const auths = { [server.host]: { auth: server.authorization.slice('Basic '.length) } };
  mkdirSync(join(home, '.docker'));
  writeFileSync(join(home, '.docker/config.json'), JSON.stringify({ auths }));
  env = {
    HOME: home,
    DOCKER_CONFIG: join(home, '.docker'),
    REGISTRY_AUTH_FILE: join(home, '.docker/config.json'),
    XDG_CONFIG_HOME: join(home, '.config'),
    XDG_RUNTIME_DIR: home,
    STORAGE_DRIVER: 'vfs',
    BUILDAH_ISOLATION: 'chroot',
  };
  layout = join(home, 'layout');
  await makeImage(layout);
});
after(async () => {
  await server.discard();
  rmSync(home, { recursive: true, force: true });
});

const exec = (program: string, args: readonly string[]) => run(program, args, { env, timeoutMs: 600_000 });
const skopeo = (...args: string[]) => exec('skopeo', ['--insecure-policy', ...args]);
const at = (name: string) => `${server.host}/${name}`;

/** An image with two layers of random bytes, made by buildah from nothing. */
async function makeImage(target: string): Promise<void> {
  const from = (await exec('buildah', ['from', 'scratch'])).trim();
  for (const name of ['one', 'two']) {
    writeFileSync(join(home, name), randomBytes(100_000));
    await exec('buildah', ['copy', from, join(home, name), `/${name}`]);
  }
  await exec('buildah', ['config', '--cmd', '/one', from]);
  await exec('buildah', ['commit', '--format', 'oci', '--disable-compression=false', from, `oci:${target}:v1`]);
  built = (await exec('buildah', ['commit', from, 'localhost/built:v1'])).trim();
  await exec('buildah', ['rm', from]);
}

describe('skopeo', () => {
  test('copies in, inspects, lists tags, copies out the same bytes, and deletes', async () => {
    await skopeo('copy', '--dest-tls-verify=false', `oci:${layout}:v1`, `docker://${at('team/skopeo:v1')}`);
    const inspected = JSON.parse(await skopeo('inspect', '--tls-verify=false', `docker://${at('team/skopeo:v1')}`));
    assert.deepEqual(inspected.RepoTags, ['v1']);
    const listed = JSON.parse(await skopeo('list-tags', '--tls-verify=false', `docker://${at('team/skopeo')}`));
    assert.deepEqual(listed.Tags, ['v1']);
    await skopeo('copy', '--src-tls-verify=false', `docker://${at('team/skopeo:v1')}`, `oci:${home}/back:v1`);
    assert.equal(await skopeo('manifest-digest', await manifestFile(join(home, 'back'))), `${inspected.Digest}\n`);
    await skopeo('delete', '--tls-verify=false', `docker://${at('team/skopeo:v1')}`);
    await assert.rejects(
      skopeo('inspect', '--tls-verify=false', `docker://${at('team/skopeo:v1')}`),
      /manifest unknown/i,
    );
  });

  test('pushes Docker schema 2', async () => {
    const target = `docker://${at('team/schema2:v1')}`;
    await skopeo('copy', '--format', 'v2s2', '--dest-tls-verify=false', `oci:${layout}:v1`, target);
    const raw = JSON.parse(await skopeo('inspect', '--raw', '--tls-verify=false', target));
    assert.equal(raw.mediaType, 'application/vnd.docker.distribution.manifest.v2+json');
  });

  test('is told that its password is wrong', async () => {
    const target = `docker://${at('team/skopeo:v2')}`;
    const wrong = `tester:${randomBytes(6).toString('hex')}`;
    await assert.rejects(
      skopeo('copy', '--dest-creds', wrong, '--dest-tls-verify=false', `oci:${layout}:v1`, target),
      /unauthorized|authentication required/i,
    );
  });
});

describe('buildah and podman', () => {
  test('push and pull', async () => {
    await exec('buildah', ['push', '--tls-verify=false', built, `docker://${at('team/buildah:v1')}`]);
    await exec('podman', ['pull', '--tls-verify=false', at('team/buildah:v1')]);
    assert.match(await exec('podman', ['images', '--format', '{{.Repository}}:{{.Tag}}']), /team\/buildah:v1/);
    await exec('podman', ['push', '--tls-verify=false', at('team/buildah:v1'), at('team/podman:v1')]);
    assert.equal((await registry.request('HEAD', '/v2/team/podman/manifests/v1')).status, 200);
  });
});

describe('crane', () => {
  const crane = (...args: string[]) => exec(programs.crane, ['--insecure', ...args]);

  test('pushes a layout, copies with mounts, lists, pulls, validates and deletes', async () => {
    await crane('push', layout, at('team/crane:v1'));
    await crane('copy', at('team/crane:v1'), at('other/crane:v1'));
    assert.match(await crane('catalog', server.host), /other\/crane\n/);
    assert.equal(await crane('ls', at('team/crane')), 'v1\n');
    assert.match(await crane('validate', '--remote', at('other/crane:v1')), /PASS/);
    const digest = (await crane('digest', at('team/crane:v1'))).trim();
    await crane('tag', at('team/crane:v1'), 'v2');
    await crane('delete', at('team/crane:v1'));
    assert.equal(await crane('ls', at('team/crane')), 'v2\n');
    await crane('delete', at(`team/crane@${digest}`));
    await assert.rejects(crane('digest', at('team/crane:v2')), /MANIFEST_UNKNOWN|404/);
  });

  test('makes a multi-arch index', async () => {
    await crane('push', layout, at('team/multi:amd64'));
    await crane('mutate', at('team/multi:amd64'), '--set-platform', 'linux/arm64', '--tag', at('team/multi:arm64'));
    await crane(
      'index',
      'append',
      '-m',
      at('team/multi:amd64'),
      '-m',
      at('team/multi:arm64'),
      '-t',
      at('team/multi:all'),
    );
    const index = JSON.parse(await crane('manifest', at('team/multi:all')));
    assert.equal(index.manifests.length, 2);
    await crane('pull', '--platform', 'linux/arm64', at('team/multi:all'), join(home, 'arm64.tar'));
  });
});

describe('regctl', () => {
  const regctl = (...args: string[]) => exec(programs.regctl, ['--host', `reg=${server.host},tls=disabled`, ...args]);

  test('copies in with referrers, attaches an artifact, lists it, deletes a tag and a manifest', async () => {
    await regctl('image', 'copy', `ocidir://${layout}:v1`, at('team/regctl:v1'));
    const annotated = ['--annotation', 'a=b', '--artifact-type', 'application/vnd.example.note'];
    writeFileSync(join(home, 'note.txt'), 'hello');
    await regctl('artifact', 'put', '--subject', at('team/regctl:v1'), ...annotated, '-f', join(home, 'note.txt'));
    const listed = await regctl('artifact', 'list', at('team/regctl:v1'), '--format', '{{json .}}');
    assert.match(listed, /application\/vnd\.example\.note/);
    await regctl('image', 'copy', '--referrers', at('team/regctl:v1'), at('other/regctl:v1'));
    assert.match(await regctl('artifact', 'list', at('other/regctl:v1')), /application\/vnd\.example\.note/);
    assert.equal(await regctl('tag', 'ls', at('team/regctl')), 'v1\n');
    await regctl('tag', 'rm', at('team/regctl:v1'));
    assert.equal((await registry.request('HEAD', '/v2/team/regctl/manifests/v1')).status, 404);
  });

  test('pushes an index of an index', async () => {
    await regctl('image', 'copy', `ocidir://${layout}:v1`, at('team/nested:image'));
    await regctl('index', 'create', at('team/nested:inner'), '--ref', at('team/nested:image'));
    await regctl('index', 'create', at('team/nested:outer'), '--ref', at('team/nested:inner'));
    await regctl('image', 'copy', at('team/nested:outer'), `ocidir://${home}/nested:outer`);
  });
});

describe('notation', () => {
  test('attaches a signature that the referrers list then names, and verifies it', async () => {
    const notation = (...args: string[]) => exec(programs.notation, args);
    await exec(programs.crane, ['--insecure', 'push', layout, at('team/signed:v1')]);
    const digest = (await exec(programs.crane, ['--insecure', 'digest', at('team/signed:v1')])).trim();
    await notation('cert', 'generate-test', '--default', 'tests.example');
    const reference = at(`team/signed@${digest}`);
    await notation('sign', '--insecure-registry', '-u', server.user, '-p', server.password, reference);
    const listed = await registry.request('GET', `/v2/team/signed/referrers/${digest}`);
    const { manifests } = listed.json() as { manifests: { artifactType: string }[] };
    assert.deepEqual(
      manifests.map((entry) => entry.artifactType),
      ['application/vnd.cncf.notary.signature'],
    );
    writeFileSync(
      join(home, 'policy.json'),
      JSON.stringify({
        version: '1.0',
        trustPolicies: [
          {
            name: 'tests',
            registryScopes: ['*'],
            signatureVerification: { level: 'strict' },
            trustStores: ['ca:tests.example'],
            trustedIdentities: ['*'],
          },
        ],
      }),
    );
    await notation('policy', 'import', '--force', join(home, 'policy.json'));
    const verified = await notation(
      'verify',
      '--insecure-registry',
      '-u',
      server.user,
      '-p',
      server.password,
      reference,
    );
    assert.match(verified, /Successfully verified/);
  });
});

async function manifestFile(folder: string): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  const index = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8'));
  return join(folder, 'blobs/sha256', index.manifests[0].digest.slice('sha256:'.length));
}
