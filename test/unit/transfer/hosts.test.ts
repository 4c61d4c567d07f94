import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { agentKey } from '../../../src/transfer/http/agents.ts';
import { Hosts } from '../../../src/transfer/registry/hosts.ts';

const signal = new AbortController().signal;
const url = new URL('https://registry.example/v2/');

describe('what clients share about hosts', () => {
  it('is one limit for a host, whoever asks', async () => {
    const hosts = new Hosts({ transfers: 2 });
    let now = 0;
    let most = 0;
    const transfer = async () => {
      now += 1;
      most = Math.max(most, now);
      await delay(2);
      now -= 1;
    };
    await Promise.all(Array.from({ length: 8 }, () => hosts.writing('a').run(signal, transfer)));
    assert.equal(most, 2);
    assert.notEqual(hosts.writing('a'), hosts.writing('b'));
    assert.notEqual(hosts.writing('a'), hosts.reading('a'));
  });

  it('lets requests that trust alike share connections, and no others', () => {
    const hosts = new Hosts();
    const key = (trust: object) => agentKey({ url, trust, maxSockets: 4 }, (object) => hosts.numberOf(object));
    assert.equal(key({ ca: ['A'] }), key({ ca: ['A'] }));
    const settings = [
      {},
      { ca: ['A'] },
      { ca: ['B'] },
      { insecure: true },
      { proxy: 'http://p:1' },
      { address: '10.0.0.1' },
    ];
    assert.equal(new Set(settings.map(key)).size, settings.length);
    assert.equal(
      hosts.agent('k', () => new Agent()),
      hosts.agent('k', () => new Agent()),
    );
  });

  it('lets go of connections that nobody uses any more', () => {
    const hosts = new Hosts();
    let destroyed = 0;
    const make = () => {
      const agent = new Agent();
      agent.destroy = () => {
        destroyed += 1;
      };
      return agent;
    };
    for (let rotation = 0; rotation < 250; rotation++) hosts.agent(`certificate ${rotation}`, make);
    assert.ok(destroyed >= 150, `${destroyed} of 250`);
  });

  it('gives turns in the order they were asked for, also after a failure', async () => {
    const hosts = new Hosts();
    const order: number[] = [];
    const turn = (number: number, fails = false) =>
      hosts.alone('index', async () => {
        await delay(3 - number);
        order.push(number);
        if (fails) throw new Error('failed');
      });
    const results = await Promise.allSettled([turn(0), turn(1, true), turn(2)]);
    assert.deepEqual(order, [0, 1, 2]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
  });
});
