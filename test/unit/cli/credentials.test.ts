import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { matchingKey } from '../../../src/cli/credentials/docker-config.ts';
import { CredentialStore } from '../../../src/cli/credentials/store.ts';

let home: string;
let warnings: string[];
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'ne-credentials-'));
  warnings = [];
});
afterEach(async () => await rm(home, { recursive: true, force: true }));

function store(env: Record<string, string> = {}): CredentialStore {
  return new CredentialStore({ env, home, warn: (message) => warnings.push(message) });
}

const secret = () => randomBytes(12).toString('hex');
const basic = (user: string, password: string) => Buffer.from(`${user}:${password}`).toString('base64');

async function put(path: string, value: object): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, JSON.stringify(value));
}

describe('the credential store', () => {
  it('writes what Docker reads: mode 0600, unknown keys kept', async () => {
    const file = join(home, '.docker', 'config.json');
    await put(file, { psFormat: 'x', auths: { 'other.example.com': { auth: basic('o', 'p') } } });
    const password = secret();
    assert.equal(await store().save('r.example.com:5000', 'alice', password), file);
    const written = JSON.parse(await readFile(file, 'utf8'));
    assert.equal(written.psFormat, 'x');
    assert.deepEqual(Object.keys(written.auths).sort(), ['other.example.com', 'r.example.com:5000']);
    assert.equal(written.auths['r.example.com:5000'].auth, basic('alice', password));
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.deepEqual(await store().find('r.example.com:5000'), { username: 'alice', password });
  });

  it('honours $DOCKER_CONFIG and $REGISTRY_AUTH_FILE', async () => {
    assert.equal(store({ DOCKER_CONFIG: join(home, 'd') }).file, join(home, 'd', 'config.json'));
    assert.equal(store({ REGISTRY_AUTH_FILE: join(home, 'a.json') }).file, join(home, 'a.json'));
  });

  it("reads Podman's file too, where the most specific path counts", async () => {
    const env = { XDG_RUNTIME_DIR: join(home, 'run') };
    await put(join(home, 'run', 'containers', 'auth.json'), {
      auths: { 'r.example.com': { auth: basic('all', 'p') }, 'r.example.com/team': { auth: basic('team', 'p') } },
    });
    assert.equal((await store(env).find('r.example.com', 'team/app'))?.username, 'team');
    assert.equal((await store(env).find('r.example.com', 'teams/app'))?.username, 'all');
    assert.equal(await store(env).find('other.example.com'), undefined);
  });

  it('forgets a host, and says where else it is still known', async () => {
    const env = { XDG_RUNTIME_DIR: join(home, 'run') };
    const other = join(home, 'run', 'containers', 'auth.json');
    await put(other, { auths: { 'r.example.com': { auth: basic('a', 'p') } } });
    await store(env).save('r.example.com', 'a', secret());
    assert.deepEqual(await store(env).remove('r.example.com'), { removed: true, stillIn: [other] });
    assert.deepEqual(await store().remove('r.example.com'), { removed: false, stillIn: [] });
  });

  it('understands identity tokens and passwords with colons', async () => {
    await put(join(home, '.docker', 'config.json'), {
      auths: { 'a.io': { auth: basic('u', ''), identitytoken: 'refresh' }, 'b.io': { auth: basic('u', 'p:q:r') } },
    });
    assert.equal((await store().find('a.io'))?.identityToken, 'refresh');
    assert.equal((await store().find('b.io'))?.password, 'p:q:r');
  });

  it('lets credential helpers keep and find, and lives without one that is missing', async () => {
    const folder = join(home, 'bin');
    await mkdir(folder);
    const program = join(folder, 'docker-credential-paper');
    await writeFile(
      program,
      `#!/bin/sh\ncase "$1" in store) cat > "${home}/kept";; get) cat "${home}/kept";; erase) rm "${home}/kept";; esac\n`,
    );
    await chmod(program, 0o755);
    await put(join(home, '.docker', 'config.json'), { credsStore: 'paper', credHelpers: { 'x.io': 'is-not-there' } });
    const path = process.env.PATH;
    process.env.PATH = `${folder}${delimiter}${path}`;
    try {
      const password = secret();
      assert.equal(await store().save('r.example.com', 'alice', password), 'docker-credential-paper');
      assert.deepEqual(await store().find('r.example.com'), { username: 'alice', password });
      assert.ok(!(await readFile(join(home, '.docker', 'config.json'), 'utf8')).includes(password));
      assert.equal(await store().find('x.io'), undefined);
      assert.match(warnings.join(), /docker-credential-is-not-there is not installed/);
    } finally {
      process.env.PATH = path;
    }
  });

  it('never quotes a damaged file, which holds secrets', async () => {
    await mkdir(join(home, '.docker'));
    await writeFile(join(home, '.docker', 'config.json'), '{"auths": {"r.io": {"auth": "c2VjcmV0"}');
    await assert.rejects(
      store().find('r.io'),
      (error: Error) => /no valid JSON/.test(error.message) && !error.message.includes('c2VjcmV0'),
    );
  });
});

describe('a key of auths', () => {
  it('may be a URL, and Docker Hub has several', () => {
    assert.equal(matchingKey(['https://index.docker.io/v1/'], 'docker.io'), 'https://index.docker.io/v1/');
    assert.equal(matchingKey(['https://r.example.com/v2/'], 'r.example.com'), 'https://r.example.com/v2/');
    assert.equal(matchingKey(['r.example.com'], 'r.example.com:5000'), undefined);
    assert.equal(matchingKey(['example.com'], 'r.example.com'), undefined);
  });
});
