import { progress } from './command.ts';
import { down, prepare, remains, running, up } from './engine.ts';
import { layout, MAX_CLUSTERS } from './layout.ts';
import { endedPrograms } from './node.ts';

const USAGE = `usage: main.ts prepare | up|down|status|kubeconfig [N]   (N from 1 to ${MAX_CLUSTERS}, 1 by default)`;

/** The command line of the test cluster; the answer goes to standard output, progress to standard error. */
async function main([verb, which = '1']: readonly string[]): Promise<number> {
  const number = Number(which);
  if (verb === 'prepare') {
    await prepare();
    return 0;
  }
  if (verb === 'up') {
    console.log((await up(number)).kubeconfig);
    return 0;
  }
  if (verb === 'down') {
    await down(number);
    return 0;
  }
  if (verb === 'status') return await status(number);
  if (verb === 'kubeconfig') {
    const cluster = await running(number);
    if (cluster === undefined) throw new Error(`cluster ${number} is not running: start it with \`up ${number}\``);
    console.log(cluster.kubeconfig);
    return 0;
  }
  progress(USAGE);
  return 2;
}

async function status(number: number): Promise<number> {
  const cluster = await running(number);
  if (cluster === undefined) {
    const left = await remains(number);
    console.log(`cluster ${number} is not running${left.length === 0 ? '' : `; left over: ${left.join(', ')}`}`);
    return 1;
  }
  console.log(`cluster ${number} (${cluster.engine}) runs, node ${cluster.nodeIP}, kubeconfig ${cluster.kubeconfig}`);
  const ended = cluster.engine === 'built' ? await endedPrograms(layout(number)) : [];
  if (ended.length > 0) console.log(`ended: ${ended.join(', ')} (\`up ${number}\` starts the cluster anew)`);
  console.log(await cluster.kubectl(['get', 'nodes,pods', '-A', '-o', 'wide']));
  return 0;
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  progress(error instanceof Error ? error.message : String(error));
  return 1;
});
