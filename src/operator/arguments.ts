/** The command line of `ne-registry operator`. */
import { parseArgs } from 'node:util';
import { Fatal, messageOf } from '../platform/fatal.ts';
import type { LogLevel } from '../platform/log.ts';
import type { ReporterRef } from './inventory/remote.ts';
import type { OperatorOptions } from './run.ts';

export const operatorUsage = `usage: ne-registry operator [options]
  --watch-namespaces A,B     namespaces to look after; all of them by default (also: --namespace A, repeatable)
  --registry-image IMAGE     image of Registries whose spec.image says nothing (or $NE_REGISTRY_IMAGE)
  --listen ADDRESS           /metrics, /healthz and /readyz; :9090 by default
  --leader-elect[=false]     wait for a Lease before doing anything; on by default in a pod
  --leader-election-id NAME  name of the Lease; ne-registry-operator by default
  --concurrency N            Registries that are reconciled at the same time; 2 by default
  --report-to NAMESPACE/NAME a Secret that names a registry of another cluster, which is told what runs here; repeatable
  --log-level LEVEL          debug, info, warn or error`;

/** Throws Fatal, exit code `usage`, for a command line that is not right. */
export function parseOperatorArguments(args: readonly string[], env: NodeJS.ProcessEnv): OperatorOptions {
  const values = parsed(args);
  const image = values['registry-image'] ?? values.image ?? env.NE_REGISTRY_IMAGE;
  if (!image) {
    throw new Fatal('operator needs --registry-image IMAGE (or NE_REGISTRY_IMAGE): the image that Registries run', {
      exit: 'usage',
    });
  }
  const named = [values['watch-namespaces'] ?? [], values.namespace ?? []].flat().flatMap((list) => list.split(','));
  return {
    namespaces: [...new Set(named.map((name) => name.trim()).filter((name) => name !== ''))],
    image,
    listen: values.listen ?? values['metrics-listen'] ?? ':9090',
    leaderElect: boolean(values['leader-elect'], env.KUBERNETES_SERVICE_HOST !== undefined),
    leaseName: values['leader-election-id'] ?? 'ne-registry-operator',
    ownNamespace: env.POD_NAMESPACE || undefined,
    identity: env.POD_NAME || undefined,
    concurrency: positive('--concurrency', values.concurrency ?? '2'),
    reportTo: [...new Set(values['report-to'])].map(secret),
    logLevel: level(values['log-level'] ?? 'info'),
    env,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      // A flag without a value means true.
      args: args.map((each) => (each === '--leader-elect' ? '--leader-elect=true' : each)),
      options: {
        'watch-namespaces': { type: 'string', multiple: true },
        namespace: { type: 'string', multiple: true },
        'registry-image': { type: 'string' },
        image: { type: 'string' },
        listen: { type: 'string' },
        'metrics-listen': { type: 'string' },
        'leader-elect': { type: 'string' },
        'leader-election-id': { type: 'string' },
        concurrency: { type: 'string' },
        'report-to': { type: 'string', multiple: true },
        'log-level': { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw new Fatal(`operator: ${messageOf(error)}\n${operatorUsage}`, { exit: 'usage', cause: error });
  }
}

function boolean(text: string | undefined, otherwise: boolean): boolean {
  if (text === undefined) return otherwise;
  if (text === 'true' || text === 'false') return text === 'true';
  throw new Fatal(`--leader-elect is true or false, not "${text}"`, { exit: 'usage' });
}

function secret(text: string): ReporterRef {
  const [namespace = '', name = '', ...rest] = text.split('/');
  if (namespace !== '' && name !== '' && rest.length === 0) return { namespace, name };
  throw new Fatal(`--report-to is NAMESPACE/SECRET, not "${text}"`, { exit: 'usage' });
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 64) return value;
  throw new Fatal(`${flag} is a number from 1 to 64, not "${text}"`, { exit: 'usage' });
}

function level(text: string): LogLevel {
  if (text === 'debug' || text === 'info' || text === 'warn' || text === 'error') return text;
  throw new Fatal(`--log-level is debug, info, warn or error, not "${text}"`, { exit: 'usage' });
}
