/** Everything that a line does to a copy: both ends are equal afterwards, and no tag ever names what is not whole. */
import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { after, before, describe, it } from 'node:test';
import type { TransferFault } from '../../../src/transfer/errors.ts';
import { type Fault, type FaultPlan, type FaultProxy, first, startFaultProxy } from '../../programs/fault-proxy.ts';
import { copyUntilDone } from './copying.ts';
import { fill, type Place } from './images.ts';
import { clientOf, type Peer, registries } from './registries.ts';
import { LookOut, truthOf } from './truth.ts';

const layerBytes = 3_000_000;
const asks = (method: string, path: RegExp) => (request: IncomingMessage) =>
  request.method === method && path.test(request.url ?? '');
const blob = asks('GET', /\/blobs\/sha256:/);
/** The digest of a layer that is long enough to be hurt in its middle. */
let large = '';
const layer = (request: IncomingMessage) => blob(request) && request.url?.endsWith(large) === true;
const manifest = asks('GET', /\/manifests\//);
const any = () => true;

interface Case {
  readonly name: string;
  readonly fault: Fault;
  readonly matches: (request: IncomingMessage) => boolean;
  readonly times: number;
  /** What at least one pass fails with; none where the engine deals with it. */
  readonly seen?: TransferFault;
  /** What the requests show. */
  readonly shows?: RegExp;
}

const reading: readonly Case[] = [
  { name: 'comes late', fault: { latencyMs: 60 }, matches: any, times: 1000 },
  {
    name: 'is cut in the middle of a blob',
    fault: { cutAnswerAfter: 900_000 },
    matches: layer,
    times: 4,
    shows: / bytes=900000-$/m,
  },
  { name: 'is cut in the middle of a manifest', fault: { cutAnswerAfter: 40 }, matches: manifest, times: 3 },
  {
    name: 'ends a blob too early',
    fault: { truncateAnswerTo: 1_000_000 },
    matches: layer,
    times: 2,
    shows: / bytes=1000000-$/m,
  },
  { name: 'ends a manifest too early', fault: { truncateAnswerTo: 60 }, matches: manifest, times: 1, seen: 'Corrupt' },
  {
    name: 'brings a wrong byte of a blob',
    fault: { corruptByteAt: 700_000 },
    matches: layer,
    times: 1,
    seen: 'Corrupt',
  },
  {
    name: 'brings a wrong byte of a manifest',
    fault: { corruptByteAt: 90 },
    matches: manifest,
    times: 1,
    seen: 'Corrupt',
  },
  { name: 'forgets who we are', fault: { status: 401 }, matches: layer, times: 1 },
  { name: 'has enough of us', fault: { status: 429, headers: { 'retry-after': '1' } }, matches: any, times: 2 },
  { name: 'is overloaded', fault: { status: 503, headers: { 'retry-after': '1' } }, matches: layer, times: 2 },
  { name: 'fails', fault: { status: 500 }, matches: manifest, times: 3 },
  { name: 'fails for long', fault: { status: 500 }, matches: blob, times: 30, seen: 'ServerFailed' },
];

const upload = asks('PATCH', /\/uploads\//);
const finish = asks('PUT', /\/uploads\//);
const write = asks('PUT', /\/manifests\//);
const full = {
  status: 500,
  body: '{"errors":[{"code":"UNKNOWN","message":"write /data/x: no space left on device"}]}',
};
const overQuota = { status: 403, body: '{"errors":[{"code":"DENIED","message":"the quota of 5 GiB is used up"}]}' };

const writing: readonly Case[] = [
  { name: 'comes late', fault: { latencyMs: 60 }, matches: any, times: 1000 },
  {
    name: 'is cut in the middle of an upload',
    fault: { cutRequestAfter: 1_000_000 },
    matches: upload,
    times: 3,
    shows: /^PATCH .* [1-9]\d*-\d+$/m,
  },
  { name: 'loses the answer to a finished blob', fault: { cutAnswerAfter: 0 }, matches: finish, times: 3 },
  { name: 'loses the answer to a manifest', fault: { cutAnswerAfter: 0 }, matches: write, times: 3 },
  { name: 'forgets who we are', fault: { status: 401 }, matches: upload, times: 2 },
  { name: 'has enough of us', fault: { status: 429, headers: { 'retry-after': '1' } }, matches: upload, times: 2 },
  { name: 'fails at manifests', fault: { status: 500 }, matches: write, times: 3 },
  { name: 'fails for long', fault: { status: 502 }, matches: finish, times: 30, seen: 'ServerFailed' },
  { name: 'has a full disk', fault: full, matches: finish, times: 4, seen: 'QuotaExceeded' },
  { name: 'has a full disk at manifests', fault: full, matches: write, times: 4, seen: 'QuotaExceeded' },
  { name: 'has a quota', fault: overQuota, matches: upload, times: 2, seen: 'QuotaExceeded' },
];

const pairs = [
  ['ours', 'ours'],
  ['distribution with tokens', 'ours'],
  ['ours', 'distribution with tokens'],
] as const;

for (const [from, to] of pairs) {
  describe(`copies from ${from} to ${to} over a bad line`, () => {
    let sourcePeer: Peer;
    let targetPeer: Peer;
    let sourceLine: FaultProxy;
    let targetLine: FaultProxy;
    let copies = 0;
    const closing: (() => unknown)[] = [];

    before(async () => {
      sourcePeer = await started(from);
      targetPeer = await started(to);
      sourceLine = await startFaultProxy(sourcePeer.host);
      targetLine = await startFaultProxy(targetPeer.host);
      closing.push(
        () => sourceLine.close(),
        () => targetLine.close(),
      );
      large = (await fill(place(sourcePeer, 'team/app'), layerBytes)).large.digest;
    });

    after(async () => {
      for (const close of closing.reverse()) await close();
    });

    async function started(name: string): Promise<Peer> {
      const peer = await (registries[name] as () => Promise<Peer>)();
      closing.push(() => peer.stop());
      return peer;
    }

    function place(peer: Peer, repository: string, line?: FaultProxy): Place {
      const client = clientOf(peer, line?.host);
      closing.push(() => client.close());
      return { client, repository };
    }

    const untouched: FaultPlan = () => undefined;

    async function survives(line: FaultProxy, { fault, matches, times, seen, shows }: Case): Promise<void> {
      copies += 1;
      const repository = `copies/${copies}`;
      const target = place(targetPeer, repository);
      const lookOut = new LookOut(target);
      const since = line.requests.length;
      // A challenge names where tokens are given; what else would a registry that forgot us say.
      const plan = fault.status === 401 ? { ...fault, headers: await challengeOf(line) } : fault;
      line.plan = first(times, matches, plan);
      const failures = await copyUntilDone(
        place(sourcePeer, 'team/app', sourceLine),
        place(targetPeer, repository, targetLine),
      ).finally(() => {
        line.plan = untouched;
      });
      assert.deepEqual(await lookOut.stop(), []);
      assert.ok(lookOut.rounds > 0);
      assert.deepEqual(await truthOf(target), await truthOf(place(sourcePeer, 'team/app')));
      const faults = failures.map((failure) => failure.fault);
      assert.deepEqual([...new Set(faults)], seen === undefined ? [] : [seen], String(failures[0]));
      const side = line === sourceLine ? 'source' : 'target';
      assert.ok(
        failures.every((failure) => failure.side === side),
        String(failures.find((one) => one.side !== side)),
      );
      if (shows !== undefined) assert.match(line.requests.slice(since).join('\n'), shows);
    }

    async function challengeOf(line: FaultProxy): Promise<Record<string, string>> {
      const answer = await fetch(`http://${line.host}/v2/`);
      return { 'www-authenticate': answer.headers.get('www-authenticate') ?? '' };
    }

    for (const one of reading) it(`when the source ${one.name}`, async () => await survives(sourceLine, one));
    for (const one of writing) it(`when the target ${one.name}`, async () => await survives(targetLine, one));
  });
}
