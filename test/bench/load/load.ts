import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../e2e/cluster/command.ts';
import { type GoTool, goTool } from '../../e2e/cluster/tools.ts';
import type { Server } from '../peers/server.ts';
import { urlOf } from '../peers/server.ts';
import type { Burst } from '../result.ts';

const source = (name: string) => readFileSync(join(import.meta.dirname, '../client', name), 'utf8');

/** Our own client, for what wrk cannot do: pushes, HEAD, a fixed number of requests. */
const CLIENT: GoTool = {
  name: 'bench-client',
  version: '1',
  sources: Object.fromEntries(['main.go', 'link.go', 'heads.go', 'push.go'].map((name) => [name, source(name)])),
};

export interface ReadLoad {
  readonly connections: number;
  readonly seconds: number;
  readonly threads?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface FixedLoad extends ReadLoad {
  readonly method: 'GET' | 'HEAD';
  /** Requests at most. */
  readonly count?: number;
  /** Status that is right; 200 unless given. */
  readonly status?: number;
}

export interface PushLoad {
  readonly repository: string;
  /** Bytes of a blob. */
  readonly size: number;
  /** Bytes of a PATCH; one PUT unless given. */
  readonly chunk?: number;
  readonly connections: number;
  readonly blobs: number;
}

export interface Tally {
  readonly requests: number;
  readonly bytes: number;
  readonly errors: number;
  /** The first error. */
  readonly error: string;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** The programs that make load. */
export interface Load {
  /** GET over and over by wrk. */
  get(server: Server, path: string, load: ReadLoad): Promise<Tally>;
  /** Requests in turn by our client. */
  ask(server: Server, paths: readonly string[], load: FixedLoad): Promise<Tally>;
  /** New blobs by our client. */
  push(server: Server, load: PushLoad): Promise<Tally>;
}

/** Makes the programs ready; `scratch` is an existing folder for their scripts. */
export async function prepareLoad(scratch: string): Promise<Load> {
  const client = await goTool(CLIENT);
  const script = join(scratch, 'done.lua');
  await writeFile(script, wrkScript);
  let jobs = 0;
  const perform = async (job: object): Promise<Tally> => {
    const file = join(scratch, `job-${jobs++}.json`);
    await writeFile(file, JSON.stringify(job));
    return lowerCase(JSON.parse(await run(client, [file])) as Record<string, number | string>) as unknown as Tally;
  };
  return {
    get: (server, path, load) => wrk(server, path, { ...load, script }),
    ask: (server, paths, { connections, seconds, threads = 1, count = 0, status = 200, ...load }) =>
      perform({
        ...{ mode: isHeads(server, load, count) ? 'heads' : 'read', ...target(server) },
        ...{ connections, seconds, threads, count, status },
        requests: paths.map((path) => text(server, path, load)),
      }),
    push: (server, { connections, blobs, size, chunk = 0, repository }) =>
      perform({
        ...{ mode: 'push', ...target(server), connections, seconds: 120, count: blobs },
        push: { repository, size, chunk, authorization: server.authorization ?? '' },
      }),
  };
}

/** What the client's own loop can ask. */
function isHeads({ tls }: Server, { method }: Pick<FixedLoad, 'method'>, count: number): boolean {
  return method === 'HEAD' && !tls && count === 0;
}

/** Requests a second. */
export function rate(tally: Tally): Burst {
  return burst(tally, tally.requests / tally.seconds);
}

/** Megabytes (10⁶) a second. */
export function throughput(tally: Tally): Burst {
  return burst(tally, tally.bytes / tally.seconds / 1e6);
}

/** The middle latency, milliseconds. */
export function latency(tally: Tally): Burst {
  return burst(tally, tally.p50);
}

function burst({ requests, errors, seconds, p50, p99 }: Tally, value: number): Burst {
  // Without one finished request there are no latencies.
  return { value, requests, errors, seconds, ...(requests > 0 && { p50, p99 }) };
}

function target({ host, tls }: Server): { address: string; tls: boolean } {
  return { address: host, tls };
}

function text(server: Server, path: string, { method, headers }: Pick<FixedLoad, 'method' | 'headers'>): string {
  const lines = Object.entries(headersFor(server, headers)).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\nHost: ${server.host}\r\n${lines.join('')}\r\n`;
}

function headersFor({ authorization }: Server, headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { ...(authorization === undefined ? {} : { Authorization: authorization }), ...headers };
}

function lowerCase(record: Record<string, number | string>): Record<string, number | string> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name.toLowerCase(), value]));
}

/** wrk's own figures as JSON; its times are microseconds. */
const wrkScript = `
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT {"requests":%d,"bytes":%d,"errors":%d,"seconds":%f,"p50":%f,"p99":%f}\\n',
    summary.requests, summary.bytes, e.connect + e.read + e.write + e.status + e.timeout, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
`;

async function wrk(server: Server, path: string, load: ReadLoad & { script: string }): Promise<Tally> {
  const headers = Object.entries(headersFor(server, load.headers)).flatMap(([name, value]) => [
    '-H',
    `${name}: ${value}`,
  ]);
  const seconds = Math.max(1, Math.round(load.seconds));
  const amounts = [`-t${load.threads ?? 1}`, `-c${load.connections}`, `-d${seconds}s`, '--timeout', '30s'];
  const said = await run('wrk', [...amounts, ...headers, '-s', load.script, `${urlOf(server)}${path}`]);
  const line = /^RESULT (.*)$/m.exec(said)?.[1];
  if (line === undefined) throw new Error(`wrk told no result:\n${said}`);
  return { error: '', ...(JSON.parse(line) as Omit<Tally, 'error'>) };
}
