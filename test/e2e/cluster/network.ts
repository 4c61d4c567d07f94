import { attempt, run } from './command.ts';
import { BRIDGE, type Layout, stateRoot } from './layout.ts';
import { withLock } from './lock.ts';

/** Gives a cluster its network namespace, with one address on the bridge that it shares with this machine. */
export async function createNetwork(at: Layout): Promise<void> {
  await withNetworkLock(async () => {
    await ensureBridge();
    await ip('netns', 'add', at.netns);
    await ip('link', 'add', at.veth, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', at.netns);
    await ip('link', 'set', at.veth, 'master', BRIDGE.name, 'up');
    await ip('-n', at.netns, 'addr', 'add', `${at.nodeIP}/${BRIDGE.prefix}`, 'dev', 'eth0');
    await ip('-n', at.netns, 'link', 'set', 'eth0', 'up');
    await ip('-n', at.netns, 'link', 'set', 'lo', 'up');
    await ip('-n', at.netns, 'route', 'add', 'default', 'via', BRIDGE.address);
  });
}

/** Removes what createNetwork made, also half of it; the bridge goes with its last cluster. */
export async function removeNetwork(at: Layout): Promise<void> {
  await withNetworkLock(async () => {
    if (await linkExists(at.veth)) await ip('link', 'del', at.veth);
    if (await netnsExists(at.netns)) await ip('netns', 'del', at.netns);
    if ((await linkExists(BRIDGE.name)) && (await bridgePorts()) === 0) await ip('link', 'del', BRIDGE.name);
  });
}

/** What of a cluster's network there is, in words; empty when nothing is left. */
export async function networkRemains(at: Layout): Promise<readonly string[]> {
  // Locked, because a bridge without a port is a leftover only when nobody is about to give it one.
  return await withNetworkLock(async () => {
    const remains: string[] = [];
    if (await linkExists(at.veth)) remains.push(`network interface ${at.veth}`);
    if (await netnsExists(at.netns)) remains.push(`network namespace ${at.netns}`);
    if ((await linkExists(BRIDGE.name)) && (await bridgePorts()) === 0) remains.push(`bridge ${BRIDGE.name}`);
    return remains;
  });
}

async function ensureBridge(): Promise<void> {
  if (!(await linkExists(BRIDGE.name))) await ip('link', 'add', BRIDGE.name, 'type', 'bridge');
  // Each step by itself: a run that was cut short here left a bridge without an address.
  await ip('addr', 'replace', `${BRIDGE.address}/${BRIDGE.prefix}`, 'dev', BRIDGE.name);
  await ip('link', 'set', BRIDGE.name, 'up');
}

async function bridgePorts(): Promise<number> {
  const ports = JSON.parse(await ip('-json', 'link', 'show', 'master', BRIDGE.name)) as readonly unknown[];
  return ports.length;
}

async function linkExists(name: string): Promise<boolean> {
  return (await attempt('ip', ['link', 'show', name])).code === 0;
}

async function netnsExists(name: string): Promise<boolean> {
  const names = await ip('netns', 'list');
  return names.split('\n').some((line) => line.split(' ')[0] === name);
}

async function ip(...args: readonly string[]): Promise<string> {
  return await run('ip', args);
}

async function withNetworkLock<T>(work: () => Promise<T>): Promise<T> {
  return await withLock(`${stateRoot()}/.network.lock`, work);
}
