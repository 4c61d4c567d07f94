import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Digest } from '../../../src/domain/oci/digest.ts';
import { BlobLedger } from '../../../src/transfer/copy/blob-ledger.ts';
import { isTransferError, TransferError } from '../../../src/transfer/errors.ts';

const digest: Digest = `sha256:${'a'.repeat(64)}`;
const other: Digest = `sha256:${'b'.repeat(64)}`;
const app = { host: 'one.example', repository: 'team/app' };
const signal = new AbortController().signal;

/** A transfer that ends when it is told to. */
class Transfer {
  started = 0;
  mountFrom: string | undefined;
  readonly #ended = Promise.withResolvers<void>();

  readonly run = async (given: { mountFrom?: string }): Promise<void> => {
    this.started += 1;
    this.mountFrom = given.mountFrom;
    await this.#ended.promise;
  };

  end(): void {
    this.#ended.resolve();
  }

  fail(): void {
    this.#ended.reject(new TransferError('Interrupted', 'cut'));
  }
}

describe('a ledger of blobs', () => {
  it('lets one transfer bring a blob for all who need it at one place', async () => {
    const ledger = new BlobLedger();
    const first = new Transfer();
    const second = new Transfer();
    const mine = ledger.run(app, digest, signal, first.run);
    const theirs = ledger.run(app, digest, signal, second.run);
    const different = ledger.run(app, other, signal, async () => {});
    assert.equal(await different, 'ours');
    first.end();
    assert.deepEqual([await mine, await theirs], ['ours', 'shared']);
    assert.equal(second.started, 0);
  });

  it('lets one of those who wait try, when the first failed', async () => {
    const ledger = new BlobLedger();
    const [first, second, third] = [new Transfer(), new Transfer(), new Transfer()];
    const failing = ledger.run(app, digest, signal, first.run);
    const waiting = [ledger.run(app, digest, signal, second.run), ledger.run(app, digest, signal, third.run)];
    first.fail();
    await assert.rejects(failing, (error) => isTransferError(error, 'Interrupted'));
    await turn();
    assert.deepEqual([second.started, third.started], [1, 0]);
    second.end();
    assert.deepEqual(await Promise.all(waiting), ['ours', 'shared']);
  });

  it('stops waiting as soon as it is cancelled', async () => {
    const ledger = new BlobLedger();
    const first = new Transfer();
    const going = ledger.run(app, digest, signal, first.run);
    const cancel = new AbortController();
    const waiting = ledger.run(app, digest, cancel.signal, async () => assert.fail('not its turn'));
    cancel.abort();
    await assert.rejects(waiting, (error) => isTransferError(error, 'Cancelled'));
    first.end();
    await going;
  });

  it('sends a blob to one repository of a host, and names it to the others', async () => {
    const ledger = new BlobLedger();
    const [first, second] = [new Transfer(), new Transfer()];
    const going = ledger.run(app, digest, signal, first.run);
    const elsewhere = ledger.run({ ...app, repository: 'team/other' }, digest, signal, second.run);
    const otherHost = ledger.run({ ...app, host: 'two.example' }, digest, signal, async ({ mountFrom }) => {
      assert.equal(mountFrom, undefined);
    });
    await otherHost;
    assert.equal(second.started, 0);
    first.end();
    await going;
    await turn();
    assert.equal(second.mountFrom, 'team/app');
    second.end();
    assert.equal(await elsewhere, 'ours');
  });

  it('waits for no other repository of a host that does not mount', async () => {
    const ledger = new BlobLedger();
    const [first, second] = [new Transfer(), new Transfer()];
    ledger.noteNoMount(app.host);
    const going = ledger.run(app, digest, signal, first.run);
    const elsewhere = ledger.run({ ...app, repository: 'team/other' }, digest, signal, second.run);
    assert.equal(second.started, 1);
    first.end();
    second.end();
    await Promise.all([going, elsewhere]);
    assert.equal(second.mountFrom, undefined);
  });

  it('takes an arrival for granted for a while, and not when it is told otherwise', async () => {
    let now = 0;
    const ledger = new BlobLedger({ rememberMs: 1000, now: () => now });
    const once = async () => await ledger.run(app, digest, signal, async () => {});
    assert.equal(await once(), 'ours');
    now = 900;
    assert.equal(await once(), 'shared');
    now = 1001;
    assert.equal(await once(), 'ours');
    ledger.forget(app, digest);
    assert.equal(await once(), 'ours');
  });

  it('remembers no more than it may', async () => {
    const ledger = new BlobLedger({ maxRemembered: 1 });
    const bring = async (blob: Digest) => await ledger.run(app, blob, signal, async () => {});
    assert.deepEqual([await bring(digest), await bring(other), await bring(digest)], ['ours', 'ours', 'ours']);
  });
});
