import { pause } from '../process.ts';
import { ask } from './answers.ts';
import { type Copier, type Route, watch } from './copiers.ts';
import type { Server } from './server.ts';

interface State {
  readonly targets?: readonly { readonly pending: number; readonly lastSuccess?: string }[];
  readonly lastPlan?: { readonly time: string };
  readonly problems?: readonly { readonly message: string }[];
}

/**
 * Rules of a registry that is up before there is work, as in its pod: from the request that starts one (the rule itself, and for a
 * target that has one `run`, which looks at every tag) to the moment when the admin API says that the target has all.
 * @param registry its administrator is known by `authorization`
 */
export function rules(registry: Server): Copier {
  const known = new Set<string>();
  return {
    name: 'ours',
    async copy(route) {
      const path = `/admin/v1/rules/replication/to-${route.to.replaceAll(/[.:]/g, '-')}`;
      const cost = watch(registry.pids()[0] ?? 0);
      const [began, asked] = [performance.now(), Date.now()];
      if (known.has(path)) await told(registry, 'POST', `${path}/run`);
      else await told(registry, 'PUT', path, rule(registry, route));
      known.add(path);
      const givenUp = !(await inStep(registry, path, { asked, patience: route.patience ?? 300 }));
      return { milliseconds: performance.now() - began, ...cost(), givenUp };
    },
  };
}

function rule(registry: Server, { from, to, repositories: [first = '', ...more] }: Route): object {
  const own = from === registry.host;
  const source = own ? 'here.example' : from;
  const folder = first.split('/').slice(0, -1).join('/');
  const connections = [
    own ? { host: source, self: true } : { host: from, insecure: true },
    { host: to, insecure: true, ...login(registry) },
  ];
  const [path, target] = more.length === 0 ? [first, first] : [`${folder}/*`, folder];
  const spec = { source: `${source}/${path}`, targets: [`${to}/${target}`] };
  return { uid: `bench-${to}`, generation: 1, spec, connections };
}

/** The targets have the same administrator; where there are no users, nobody asks. */
function login({ authorization = '' }: Server): object {
  const [username, password] = Buffer.from(authorization.slice('Basic '.length), 'base64').toString().split(':');
  return { username, password };
}

async function inStep(registry: Server, path: string, { asked, patience }: { asked: number; patience: number }) {
  for (const deadline = asked + patience * 1000; Date.now() < deadline; await pause(40)) {
    const { state } = JSON.parse(await told(registry, 'GET', path)) as { state: State };
    const [problem] = state.problems ?? [];
    if (problem !== undefined) throw new Error(problem.message);
    const [target] = state.targets ?? [];
    const compared = Date.parse(state.lastPlan?.time ?? '') >= asked;
    if (compared && target?.pending === 0 && Date.parse(target.lastSuccess ?? '') >= asked) return true;
  }
  return false;
}

async function told(registry: Server, method: string, path: string, body?: object): Promise<string> {
  const json = body && { body: Buffer.from(JSON.stringify(body)), headers: { 'content-type': 'application/json' } };
  const answer = await ask(registry, path, { method, ...json });
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
  return answer.body.toString();
}
