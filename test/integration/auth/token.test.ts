import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { startTestRegistry, type TestRegistry } from './registry.ts';

interface TokenAnswer {
  token: string;
  access_token: string;
  expires_in: number;
  issued_at: string;
}

async function getToken(registry: TestRegistry, query: string, authorization?: string) {
  const response = await fetch(`${registry.url}/token?${query}`, { headers: authorization ? { authorization } : {} });
  return { response, answer: (await response.json()) as TokenAnswer };
}

const access = (answer: TokenAnswer) => decodeJwt(answer.token).access;

test('a client follows the challenge to a token, and the token opens what it was asked for', async () => {
  await using registry = await startTestRegistry();
  const first = await fetch(`${registry.url}/v2/team/app/tags/list`);
  assert.equal(first.status, 401);
  const challenge = first.headers.get('www-authenticate') ?? '';
  const parameters = Object.fromEntries(
    [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map((match) => [match[1], match[2]]),
  );
  assert.deepEqual(parameters, {
    realm: `${registry.url}/token`,
    service: 'reg.example',
    scope: 'repository:team/app:pull',
  });

  const query = new URLSearchParams({ service: parameters.service ?? '', scope: parameters.scope ?? '' });
  const began = Date.now();
  const { response, answer } = await getToken(registry, query.toString(), registry.basic('alice'));
  const ended = Date.now();
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('cache-control'), 'no-store');
  assert.equal(answer.token, answer.access_token);
  assert.equal(answer.expires_in, 300);
  const issued = Date.parse(answer.issued_at);
  // Told in whole seconds.
  assert.ok(issued > began - 1000 && issued <= ended, answer.issued_at);

  const authorization = `Bearer ${answer.token}`;
  const list = await fetch(`${registry.url}/v2/team/app/tags/list`, { headers: { authorization } });
  assert.equal(list.status, 404, 'let in: there is no such repository');
  const push = await fetch(`${registry.url}/v2/team/app/blobs/uploads/`, {
    method: 'POST',
    headers: { authorization },
  });
  assert.equal(push.status, 401);
  assert.match(
    push.headers.get('www-authenticate') ?? '',
    /scope="repository:team\/app:pull,push",error="insufficient_scope"/,
  );
});

test('several scopes, what is asked too much, and what is nonsense make one token of what is allowed', async () => {
  await using registry = await startTestRegistry({ more: 'auth: {anonymous: Pull, htpasswdFiles: [FOLDER/users]}' });
  const query =
    'scope=repository:a:pull,push%20repository:b:*&scope=registry:catalog:*&scope=nonsense&scope=repository:C:pull';
  const user = await getToken(registry, query, registry.basic('alice'));
  assert.deepEqual(access(user.answer), [
    { type: 'repository', name: 'a', actions: ['pull', 'push'] },
    { type: 'repository', name: 'b', actions: ['*'] },
    { type: 'registry', name: 'catalog', actions: ['*'] },
  ]);
  const nobody = await getToken(registry, query);
  assert.equal(nobody.response.status, 200);
  assert.deepEqual(access(nobody.answer), [
    { type: 'repository', name: 'a', actions: ['pull'] },
    { type: 'repository', name: 'b', actions: ['pull'] },
    { type: 'registry', name: 'catalog', actions: ['*'] },
  ]);
});

test('a token for nothing is a token: docker login asks without a scope', async () => {
  await using registry = await startTestRegistry();
  const { answer } = await getToken(registry, 'service=reg.example', registry.basic('alice'));
  const ping = await fetch(`${registry.url}/v2/`, { headers: { authorization: `Bearer ${answer.token}` } });
  assert.equal(ping.status, 200);
});

test('without credentials there is no token while anonymous access is off', async () => {
  await using registry = await startTestRegistry();
  const { response } = await getToken(registry, 'scope=repository:a:pull');
  assert.equal(response.status, 401);
  assert.match(response.headers.get('www-authenticate') ?? '', /^Basic /);
});

test('wrong credentials are 401 also where anonymous access is on', async () => {
  await using registry = await startTestRegistry({ more: 'auth: {anonymous: Pull, htpasswdFiles: [FOLDER/users]}' });
  const wrong = `Basic ${Buffer.from('alice:wrong').toString('base64')}`;
  for (const authorization of [wrong, 'Basic x', 'Bearer x', 'Negotiate x']) {
    const { response } = await getToken(registry, 'scope=repository:a:pull', authorization);
    assert.equal(response.status, 401, authorization);
    assert.match(response.headers.get('www-authenticate') ?? '', /^Basic /);
  }
});

async function postToken(registry: TestRegistry, body: string) {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  return fetch(`${registry.url}/token`, { method: 'POST', headers, body });
}

test('POST takes the password grant, and says which grants it does not know', async () => {
  await using registry = await startTestRegistry();
  const form = {
    grant_type: 'password',
    service: 's',
    client_id: 'c',
    username: 'alice',
    password: registry.passwords.alice ?? '',
    scope: 'repository:a:push repository:b:pull',
  };
  const response = await postToken(registry, new URLSearchParams(form).toString());
  const answer = (await response.json()) as TokenAnswer;
  assert.deepEqual(access(answer), [
    { type: 'repository', name: 'a', actions: ['push'] },
    { type: 'repository', name: 'b', actions: ['pull'] },
  ]);
  const wrong = await postToken(registry, new URLSearchParams({ ...form, password: 'wrong' }).toString());
  assert.equal(wrong.status, 401);
  const refresh = await postToken(registry, 'grant_type=refresh_token&refresh_token=x');
  assert.equal(refresh.status, 400);
  assert.equal(((await refresh.json()) as { error: string }).error, 'unsupported_grant_type');
});

for (const [what, body] of Object.entries({
  'a body past the limit': `grant_type=password&scope=${'a'.repeat(20_000)}`,
  'a thousand parameters': Array.from({ length: 1000 }, (_, i) => `p${i}=1`).join('&'),
})) {
  test(`${what} is refused with a 4xx`, async () => {
    await using registry = await startTestRegistry();
    const response = await postToken(registry, body);
    assert.equal(response.status, 413);
  });
}

test('parameters of other shapes are no way around the checks', async () => {
  await using registry = await startTestRegistry();
  for (const body of [
    'grant_type[]=password',
    'grant_type=password&username[a]=x&password=y',
    '__proto__[x]=1&grant_type=password',
    '',
  ]) {
    const response = await postToken(registry, body);
    assert.ok(response.status === 400 || response.status === 401, `${body}: ${response.status}`);
  }
});

test('a removed user is out at once: password, and token that was in use', async () => {
  await using registry = await startTestRegistry();
  const { answer } = await getToken(registry, 'scope=repository:a:pull', registry.basic('alice'));
  const headers = [registry.basic('alice'), `Bearer ${answer.token}`];
  const statuses = () =>
    Promise.all(
      headers.map(async (authorization) => (await fetch(`${registry.url}/v2/`, { headers: { authorization } })).status),
    );
  assert.deepEqual(await statuses(), [200, 200]);
  await registry.setUsers({ admin: registry.passwords.admin ?? '' });
  assert.deepEqual(await statuses(), [401, 401]);
});

test('a flood of wrong passwords is told to come back, and a remembered user gets through meanwhile', async () => {
  // A guess takes so long to check that others pile up behind it, however slowly they come.
  await using registry = await startTestRegistry({ cost: 11 });
  await fetch(`${registry.url}/v2/`, { headers: { authorization: registry.basic('alice') } });
  const guess = (i: number) =>
    fetch(`${registry.url}/v2/`, {
      headers: { authorization: `Basic ${Buffer.from(`alice:guess${i}`).toString('base64')}` },
    });
  const flood = Array.from({ length: 200 }, (_, i) => guess(i));
  const alice = await fetch(`${registry.url}/v2/`, { headers: { authorization: registry.basic('alice') } });
  assert.equal(alice.status, 200);
  const answers = await Promise.all(flood);
  const refused = answers.filter(({ status }) => status === 429);
  assert.ok(refused.length > 0, 'some are refused');
  assert.equal(refused[0]?.headers.get('retry-after'), '1');
  assert.ok(answers.every(({ status }) => status === 401 || status === 429));
});

test('an ingress that is trusted decides realm and client; anybody else does not', async () => {
  await using registry = await startTestRegistry({ more: 'trustedProxies: [127.0.0.1]' });
  const realm = async () => {
    const headers = {
      'x-forwarded-host': 'public.example',
      'x-forwarded-proto': 'https',
      'x-forwarded-for': '203.0.113.9',
    };
    return (await fetch(`${registry.url}/v2/`, { headers })).headers.get('www-authenticate');
  };
  assert.match((await realm()) ?? '', /realm="https:\/\/public\.example\/token"/);
  await registry.configure('');
  assert.match((await realm()) ?? '', /realm="http:\/\/127\.0\.0\.1:\d+\/token"/);
});
