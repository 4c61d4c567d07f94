import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Layout, NODE_CERTS_DIR } from './layout.ts';
import { ended, formatRecord, identify, isRunning, killRecorded, onlyChild, readRecord } from './process.ts';

/*
 * A node is a set of namespaces around a first process: network, mounts, process ids, host name, IPC. Everything that
 * the cluster runs lives inside. Killing that one process makes the kernel end every other and undo every mount, so
 * taking a node down needs no list of what it did, and nothing of it can be missed.
 */

/** Kernel settings that kubelet writes. They are the machine's, not the namespace's, so the node gets plain files there. */
const MACHINE_SETTINGS = {
  'vm/overcommit_memory': '1',
  'vm/panic_on_oom': '0',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
  'kernel/keys/root_maxkeys': '1000000',
  'kernel/keys/root_maxbytes': '25000000',
};

/** Records itself as `PID STARTTIME` before anything else, so that an interrupted start is found and ended later. */
const RECORD_SELF = `read -r stat < /proc/$$/stat
fields=\${stat##*) }
pid=$$
set -- $fields "$@"
file=$0
shift 19
echo "$pid $1" > "$file.new" && mv "$file.new" "$file" || exit 1
`;

function recordPath(at: Layout): string {
  return join(at.dir, 'node.pid');
}

function programsPath(at: Layout): string {
  return join(at.dir, 'programs');
}

/** Starts the node's first process in namespaces of its own; `init` is a program that sleeps and reaps. */
export async function startNode(at: Layout, init: string): Promise<void> {
  for (const folder of ['etc/upper', 'etc/work', 'varlib/upper', 'varlib/work']) {
    await mkdir(join(at.dir, folder), { recursive: true });
  }
  await mkdir(at.certsDir, { recursive: true });
  await writeFile(join(at.dir, 'resolv.conf'), 'nameserver 127.0.0.1\n');
  await writeFile(join(at.dir, 'enter.sh'), enterScript(at, init));
  const unshare = [
    'unshare',
    '--mount',
    '--pid',
    '--uts',
    '--ipc',
    '--fork',
    '--kill-child',
    '--propagation',
    'private',
  ];
  const command = ['nsenter', `--net=/run/netns/${at.netns}`, ...unshare, 'sh', join(at.dir, 'enter.sh')];
  const log = openSync(join(at.logs, 'node.log'), 'a');
  const script = `${RECORD_SELF}exec ${command.join(' ')}`;
  const child = spawn('sh', ['-c', script, recordPath(at)], { detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  child.unref();
  await becomesReady(at);
}

/** Starts a long-running program inside the node, its output in a log file of that name; it ends with the node. */
export async function startInNode(at: Layout, name: string, command: readonly string[]): Promise<void> {
  const log = openSync(join(at.logs, `${name}.log`), 'a');
  const child = spawn('nsenter', [...(await entry(at)), '--', ...command], {
    cwd: at.dir,
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  child.on('error', () => undefined);
  child.unref();
  // The program itself has another id: this is nsenter, which waits for it and ends when it does.
  const record = child.pid === undefined ? undefined : await identify(child.pid);
  if (record === undefined) throw new Error(`${command[0]} could not be started in cluster ${at.number}`);
  await mkdir(programsPath(at), { recursive: true });
  await writeFile(join(programsPath(at), name), formatRecord(record));
}

/** The names of the programs started in the node that have ended. */
export async function endedPrograms(at: Layout): Promise<readonly string[]> {
  const ended: string[] = [];
  for (const name of await readdir(programsPath(at)).catch(() => [])) {
    const record = await readRecord(join(programsPath(at), name));
    if (record === undefined || !(await isRunning(record))) ended.push(name);
  }
  return ended;
}

/** Ends the node's first process, and with it every process and mount of the node. */
export async function stopNode(at: Layout): Promise<void> {
  const record = await readRecord(recordPath(at));
  if (record === undefined) return;
  const child = (await isRunning(record)) ? await onlyChild(record.pid) : undefined;
  const init = child === undefined ? undefined : await identify(child);
  await killRecorded(record);
  // The kernel ends a namespace's first process only after all the others in it.
  if (init !== undefined) await ended(init);
}

export async function nodeRuns(at: Layout): Promise<boolean> {
  const record = await readRecord(recordPath(at));
  return record !== undefined && (await isRunning(record));
}

/** The id, as this machine sees it, of the process that is 1 inside the node. */
export async function nodeInit(at: Layout): Promise<number> {
  const record = await readRecord(recordPath(at));
  const init = record !== undefined && (await isRunning(record)) ? await onlyChild(record.pid) : undefined;
  if (init === undefined)
    throw new Error(`cluster ${at.number} is not running: start it with \`main.ts up ${at.number}\``);
  return init;
}

async function entry(at: Layout): Promise<readonly string[]> {
  return ['-t', String(await nodeInit(at)), '--mount', '--pid', '--uts', '--ipc', '--net'];
}

function enterScript(at: Layout, init: string): string {
  const overlay = (path: string, name: string) =>
    `mount -t overlay -o lowerdir=${path},upperdir=${at.dir}/${name}/upper,workdir=${at.dir}/${name}/work node ${path}`;
  const settings = Object.entries(MACHINE_SETTINGS).flatMap(([name, value]) => {
    const file = `/run/settings/${name.replaceAll('/', '.')}`;
    return [`if [ -e /proc/sys/${name} ]; then echo ${value} > ${file}; mount --bind ${file} /proc/sys/${name}; fi`];
  });
  return [
    'set -eu',
    'mount -t proc proc /proc',
    // The node's own /run, /var/log, /etc and /var/lib: what containerd, runc and CNI leave there goes with the node.
    'mount -t tmpfs -o mode=755 tmpfs /run',
    'mount -t tmpfs -o mode=755 tmpfs /var/log',
    'mkdir -p /run/lock /run/settings /run/netns',
    overlay('/etc', 'etc'),
    overlay('/var/lib', 'varlib'),
    `mkdir -p ${NODE_CERTS_DIR}`,
    `mount --bind ${at.certsDir} ${NODE_CERTS_DIR}`,
    'rm -f /etc/resolv.conf',
    `cp ${at.dir}/resolv.conf /etc/resolv.conf`,
    `hostname ${at.nodeName}`,
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
    ...settings,
    `touch ${at.dir}/node.ready`,
    `exec ${init}`,
    '',
  ].join('\n');
}

async function becomesReady(at: Layout): Promise<void> {
  // It is mounts and one process, so it takes no time; a disk that is busy makes its overlays wait.
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    if (existsSync(join(at.dir, 'node.ready')) && (await nodeRuns(at))) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`the namespaces of cluster ${at.number} could not be set up: see ${join(at.logs, 'node.log')}`);
}
