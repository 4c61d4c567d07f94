/**
 * `make demo` and `make demo-down`: `node test/e2e/demo.ts up|down`.
 *
 * From nothing to a Pod whose image came out of a Registry in the cluster. Each step looks first and acts only where
 * something is missing, so that a second run changes nothing. With KUBECONFIG set it uses that cluster.
 */
import { attempt, progress } from './cluster/command.ts';
import * as application from './demo/application.ts';
import { kubectl, Obstacle } from './demo/ask.ts';
import * as operator from './demo/operator.ts';
import { nodesReadHostFiles, preflight } from './demo/preflight.ts';
import { type Door, forgetState, openDoor, pushImage, REPOSITORY, stateFolder, TAG } from './demo/push.ts';
import * as registry from './demo/registry.ts';
import { DEMO_CLUSTER, existingTarget, removeOwnCluster, type Target, target } from './demo/target.ts';

const started = Date.now();

function say(line: string): void {
  console.log(`[${((Date.now() - started) / 1000).toFixed(0).padStart(3)} s] ${line}`);
}

async function up(): Promise<void> {
  if (!process.env.KUBECONFIG) requireRoot();
  await requireGo();
  const on = await target();
  say(`Using ${on.title}`);
  if (!on.own) await preflight(on);
  const image = await operator.provideImage(on);
  say(`The nodes have the operator's image, ${image}`);
  const installed = await operator.installChart(on, image);
  await operator.operatorRuns(on);
  say(installed ? 'Installed the chart; the operator runs' : 'The chart is installed; the operator runs');
  if (installed && !on.own) await nodesReadHostFiles(on, operator.NAMESPACE, image);
  const applied = await registry.applySample(on);
  say(applied ? 'Applied config/samples/registry.yaml' : 'config/samples/registry.yaml is applied');
  const ready = await registry.registryIsReady(on, image, (line) => say(`  ${line}`));
  say(`The Registry is Ready: ${ready.status?.url}`);
  await useIt(on, ready);
}

async function useIt(on: Target, ready: registry.Registry): Promise<void> {
  const who = await registry.administrator(on, ready);
  const door = await openDoor(on, ready);
  try {
    const pushed = await pushImage(door, who);
    say(`${pushed ? 'Pushed' : 'The registry has'} ${REPOSITORY}:${TAG}`);
    await application.applyApplication(on, ready, who);
    const pod = await application.podRuns(on);
    say(`Pod ${application.NAMESPACE}/${application.POD} runs from ${pod.imageID}`);
    console.log(await summary(on, ready, door));
  } finally {
    door.close();
  }
}

async function summary(on: Target, ready: registry.Registry, door: Door): Promise<string> {
  const { name, namespace } = ready.metadata;
  const pods = await kubectl(on, ['get', 'pods', '-n', application.NAMESPACE]);
  const cli = `DOCKER_CONFIG=${stateFolder} npx ne-cli`;
  return `
${pods}
Endpoint   https://${door.authority} from this machine, ${ready.spec.host} in the names of images on the nodes
Trust      ${door.caFile} (status.caBundle of the Registry)
Login      kubectl -n ${namespace} get secret ${ready.status?.adminSecretName} -o jsonpath='{.data.password}' | base64 -d
Metrics    http://${name}-pods.${namespace}.svc:9090/metrics in the cluster (operator: http://${operator.RELEASE}-metrics.${operator.NAMESPACE}.svc:9090/metrics)

Try next
${on.own || process.env.KUBECONFIG ? `  export KUBECONFIG=${on.kubeconfig}\n` : ''}${door.command === undefined ? '' : `  ${door.command} &\n`}  kubectl get registries -A
  ${cli} tags ${door.authority}/${REPOSITORY} --ca-file ${door.caFile}
  ${cli} push ${door.authority}/demo/mine:1 IMAGE.tar --ca-file ${door.caFile}
  kubectl -n ${namespace} port-forward pod/${name}-0 9090 & sleep 3; curl http://localhost:9090/metrics
  make demo-down
`;
}

async function down(): Promise<void> {
  const given = Boolean(process.env.KUBECONFIG);
  if (!given) requireRoot();
  const on = given ? await existingTarget() : undefined;
  if (on !== undefined) {
    await application.removeApplication(on);
    await registry.removeSample(on);
    const kept = await operator.uninstallChart(on);
    for (const definition of kept) say(`${definition} stays: there are others of this kind`);
  } else {
    await removeOwnCluster();
  }
  await forgetState();
  say(`Removed ${on === undefined ? `cluster ${DEMO_CLUSTER} and` : 'the demo from your cluster, and'} ${stateFolder}`);
}

function requireRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new Obstacle(
    'A cluster of its own takes root: run `sudo make demo`, or set KUBECONFIG to a cluster that you have.',
  );
}

async function requireGo(): Promise<void> {
  const go = await attempt('go', ['version']).catch(() => undefined);
  if (go?.code !== 0)
    throw new Obstacle('Go 1.26 or newer is needed to build Kubernetes and Helm: put `go` on the PATH.');
}

async function main(verb: string | undefined): Promise<number> {
  if (verb === 'up') await up();
  else if (verb === 'down') await down();
  else progress('usage: demo.ts up|down');
  return verb === 'up' || verb === 'down' ? 0 : 2;
}

process.exitCode = await main(process.argv[2]).catch((error: unknown) => {
  console.error(error instanceof Obstacle ? `\n${error.message}` : error);
  return 1;
});
