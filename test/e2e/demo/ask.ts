import type { Target } from './target.ts';

/** Something stands in the way, and the message says what to do about it; no stack is wanted. */
export class Obstacle extends Error {}

/** Runs kubectl; throws an Obstacle with what it said. */
export async function kubectl(on: Target, args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await on.kubectl(args, input);
  if (code !== 0) throw new Obstacle(`kubectl ${args.join(' ')}: ${stderr.trim()}`);
  return stdout;
}

/** One object as JSON, or undefined where there is none. `kind/name` with an optional namespace. */
export async function read<T>(on: Target, object: string, namespace?: string): Promise<T | undefined> {
  const where = namespace === undefined ? [] : ['-n', namespace];
  const { code, stdout, stderr } = await on.kubectl(['get', object, ...where, '-o', 'json', '--ignore-not-found']);
  if (code !== 0 && /NotFound|doesn't have a resource type/.test(stderr)) return undefined;
  if (code !== 0) throw new Obstacle(`kubectl get ${object}: ${stderr.trim()}`);
  return stdout.trim() === '' ? undefined : (JSON.parse(stdout) as T);
}

/** Applies objects as the field manager `demo`, unless all that they say is so already: then nothing is sent. */
export async function ensure(on: Target, objects: readonly Wanted[]): Promise<boolean> {
  const missing: Wanted[] = [];
  for (const object of objects) {
    const { kind, apiVersion, metadata } = object;
    const [group = ''] = apiVersion.includes('/') ? apiVersion.split('/') : [''];
    const type = group === '' ? kind : `${kind}.${apiVersion.split('/')[1]}.${group}`;
    const live = await read<object>(on, `${type}/${metadata.name}`, metadata.namespace);
    if (live === undefined || !holds(live, object)) missing.push(object);
  }
  if (missing.length === 0) return false;
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: missing });
  await kubectl(on, ['apply', '--server-side', '--force-conflicts', '--field-manager=demo', '-f', '-'], list);
  return true;
}

export interface Wanted {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Record<string, string> };
  readonly [field: string]: unknown;
}

/** Whether `live` has everything that `wanted` says; lists are compared item by item. */
function holds(live: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(live) && live.length === wanted.length && wanted.every((item, index) => holds(live[index], item))
    );
  }
  if (typeof wanted === 'object' && wanted !== null) {
    if (typeof live !== 'object' || live === null) return false;
    return Object.entries(wanted).every(([key, value]) => holds((live as Record<string, unknown>)[key], value));
  }
  return live === wanted;
}

/** Looks until there is an answer or time is over; `look` throws to give up at once. */
export async function eventually<T>(seconds: number, look: () => Promise<T | undefined>): Promise<T | undefined> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await look();
    if (answer !== undefined || Date.now() > end) return answer;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
