import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { parseNodeAgentArguments } from '../../../src/node-agent/arguments.ts';
import { removeHosts, writeHost } from '../../../src/node-agent/folder.ts';
import { type HostsFile, hostOf, ownerOf, renderHostsFile, routeThrough } from '../../../src/node-agent/hosts-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ne-node-agent-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const file: HostsFile = {
  owner: 'registry/main',
  server: 'https://registry.bank.example',
  route: 'https://10.0.0.1:31234',
  trusted: true,
};
const bundle = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';

test('the file says what containerd 1.6 and 2.x read', (t) => {
  t.assert.snapshot(renderHostsFile(file), { serializers: [String] });
  t.assert.snapshot(renderHostsFile({ ...file, route: undefined, trusted: false }), { serializers: [String] });
});

test('a host is written once, kept in shape, and taken back', async () => {
  assert.equal(await writeHost(folder, file, bundle), true);
  assert.equal(await writeHost(folder, file, bundle), false);
  const directory = join(folder, 'registry.bank.example');
  assert.deepEqual((await readdir(directory)).sort(), ['ca.crt', 'hosts.toml']);
  assert.equal((await stat(join(directory, 'hosts.toml'))).mode & 0o777, 0o644);
  await rm(join(directory, 'hosts.toml'));
  assert.equal(await writeHost(folder, file, bundle), true);
  assert.deepEqual(await removeHosts(folder, 'registry/main'), ['registry.bank.example']);
  assert.deepEqual(await readdir(folder), []);
});

test('a changed host leaves nothing of the old one behind', async () => {
  await writeHost(folder, file, bundle);
  await writeHost(folder, { ...file, server: 'https://other.example:8443' }, bundle);
  assert.deepEqual(await readdir(folder), ['other.example:8443']);
});

test('what others wrote is neither overwritten nor removed', async () => {
  const directory = join(folder, 'registry.bank.example');
  await mkdir(directory);
  await writeFile(join(directory, 'hosts.toml'), 'server = "https://mine.example"\n');
  await assert.rejects(writeHost(folder, file, bundle), /hosts\.toml on this node was not written by NE Registry/);
  await mkdir(join(folder, '_default'));
  await writeFile(join(folder, 'README'), 'notes');
  assert.deepEqual(await removeHosts(folder, 'registry/main'), []);
  assert.equal(await readFile(join(directory, 'hosts.toml'), 'utf8'), 'server = "https://mine.example"\n');
});

test('two Registries of one host do not take it from each other', async () => {
  await writeHost(folder, file, bundle);
  await assert.rejects(
    writeHost(folder, { ...file, owner: 'team/other' }, bundle),
    /belongs to the Registry registry\/main/,
  );
  assert.deepEqual(await removeHosts(folder, 'team/other'), []);
});

test("somebody's own files in the folder stay when ours go", async () => {
  await writeHost(folder, file, bundle);
  await writeFile(join(folder, 'registry.bank.example', 'client.pem'), 'theirs');
  await removeHosts(folder, 'registry/main');
  assert.deepEqual(await readdir(join(folder, 'registry.bank.example')), ['client.pem']);
});

test('owners, hosts and routes are read as they are written', () => {
  assert.equal(ownerOf(renderHostsFile(file)), 'registry/main');
  assert.equal(ownerOf('server = "x"'), undefined);
  assert.equal(ownerOf('# Written by ne-registry for Registry registry/main2\n'), 'registry/main2');
  assert.equal(hostOf('https://a.example:443'), 'a.example:443');
  assert.equal(routeThrough('https://a', 'fd00::1', 5), 'https://[fd00::1]:5');
  assert.equal(routeThrough('http://a', '10.0.0.1', 5), 'http://10.0.0.1:5');
});

test('the command line is read, and a wrong one says what is missing', () => {
  const args = ['--owner', 'a/b', '--directory', '/host', '--server', 'https://a.example', '--node-port', '31000'];
  const options = parseNodeAgentArguments(args, { NODE_IP: '10.0.0.1' });
  assert.equal(options.nodePort, 31000);
  assert.equal(options.nodeAddress, '10.0.0.1');
  assert.equal(options.remove, false);
  assert.throws(() => parseNodeAgentArguments(['--owner', 'a/b'], {}), /--directory/);
  assert.throws(() => parseNodeAgentArguments([...args, '--what'], {}), /--what/);
});
