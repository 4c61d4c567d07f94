/** Connections are bounded, and who opens thousands pays for it alone. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { Connections } from '../../../src/registry/connections.ts';

/** What of a socket counts here. */
class Line extends EventEmitter {
  readonly remoteAddress: string;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  destroyed = false;

  constructor(remoteAddress: string, { read = 0, written = 0 } = {}) {
    super();
    this.remoteAddress = remoteAddress;
    this.bytesRead = read;
    this.bytesWritten = written;
  }

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

function enter(connections: Connections, line: Line): Line {
  connections.enter(line as unknown as Socket);
  return line;
}

const idle = (address: string) => new Line(address);
const served = (address: string) => new Line(address, { read: 100, written: 100 });

test('where there are as many as may be, the address with most loses its oldest idle one, and the newcomer is in', () => {
  const connections = new Connections(8);
  const good = enter(connections, idle('good'));
  const hoard = Array.from({ length: 7 }, () => enter(connections, served('hoard')));
  const late = enter(connections, served('late'));
  assert.deepEqual([late.destroyed, good.destroyed, connections.size], [false, false, 8]);
  assert.deepEqual(
    hoard.map((line) => line.destroyed),
    [false, false, false, false, false, false, true],
  );
});

test('an address with a quarter of all gives up its own idle ones, and none that was served or uploads', () => {
  const connections = new Connections(16);
  const uploading = enter(connections, new Line('hoard', { read: 1_000_000 }));
  const pulling = enter(connections, served('hoard'));
  const lines = Array.from({ length: 40 }, () => enter(connections, idle('hoard')));
  assert.deepEqual([uploading.destroyed, pulling.destroyed], [false, false]);
  assert.equal(lines.filter((line) => !line.destroyed).length, 2);
  assert.equal(connections.size, 4);
});

test('many connections at work behind one address are all kept; the first past the bound is turned away', () => {
  const connections = new Connections(16);
  const lines = Array.from({ length: 16 }, () => enter(connections, served('ingress')));
  assert.ok(lines.every((line) => !line.destroyed));
  assert.ok(enter(connections, served('ingress')).destroyed);
  assert.ok(lines.every((line) => !line.destroyed));
});

test('what has closed is forgotten', () => {
  const connections = new Connections(2);
  const lines = Array.from({ length: 2 }, (_, index) => enter(connections, served(`${index}`)));
  for (const line of lines) line.destroy();
  assert.deepEqual([connections.size, [...connections].length], [0, 0]);
});
