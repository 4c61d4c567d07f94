import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kernel } from '../../../src/registry/storage/filesystem/kernel.ts';
import { Sender } from '../../../src/registry/storage/filesystem/sender.ts';

const mebibyte = 1024 * 1024;

test('where no thread can be made, what was handed over stands, and its bell is closed', () => {
  // What cannot be handed to a thread keeps one from being made, as a limit of processes does.
  const bell = () => 0;
  const closed: unknown[] = [];
  const kernel = { bell: () => bell, close: (fd: unknown) => closed.push(fd) };
  const sender = new Sender(kernel as unknown as Kernel, {
    bytes: 32 * mebibyte,
    mostResident: Number.POSITIVE_INFINITY,
  });
  const span = { fd: 3, start: 0, end: 100 * mebibyte };
  sender.enter();
  sender.enter();
  sender.note(40 * mebibyte, span);
  assert.deepEqual(closed, [bell]);
  assert.equal(sender.wants(span), false);
});
