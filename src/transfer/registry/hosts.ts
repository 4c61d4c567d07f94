import type { Agent } from 'node:http';
import { Lines } from '../http/lines.ts';
import { Slots } from './slots.ts';

export interface HostsOptions {
  /** Blobs read from, and blobs written to, one host at once; 6 by default. */
  readonly transfers?: number;
}

interface Host {
  readonly reading: Slots;
  readonly writing: Slots;
  /** Whether it takes a blob with the request that begins its upload (OCI distribution-spec §"Single POST"), where that is known. */
  takesAtOnce?: boolean;
}

/** More agents than this, and those without a connection are let go: certificates are rotated, rules come and go. */
const keptAgents = 100;

/**
 * What all clients of one process share about the hosts they speak to: connections, limits on blobs in flight, and whose
 * turn it is where something is read, changed and written back.
 */
export class Hosts {
  /** Blobs in flight to one host, in each direction. */
  readonly transfers: number;
  /** Connections that blobs are read from. */
  readonly lines = new Lines();
  readonly #hosts = new Map<string, Host>();
  readonly #agents = new Map<string, Agent>();
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #numbers = new WeakMap<object, number>();
  #numbered = 0;

  constructor(options: HostsOptions = {}) {
    this.transfers = options.transfers ?? 6;
  }

  /** Limits on blobs read. Who needs several slots takes the rule's first, then the reading one, then the writing one. */
  reading(host: string): Slots {
    return this.#host(host).reading;
  }

  writing(host: string): Slots {
    return this.#host(host).writing;
  }

  /** Whether a host takes whole blobs with one POST; undefined as long as nobody tried. */
  takesAtOnce(host: string): boolean | undefined {
    return this.#host(host).takesAtOnce;
  }

  noteAtOnce(host: string, takes: boolean): void {
    this.#host(host).takesAtOnce = takes;
  }

  /** The most sockets to one host: room for every blob in flight and a few small requests, so that neither waits for the other. */
  get sockets(): number {
    return this.transfers * 2 + 4;
  }

  /** The connections that go by `key`: the same host, reached and trusted in the same way. */
  agent(key: string, make: () => Agent): Agent {
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    if (this.#agents.size >= keptAgents) this.#letGo();
    const agent = make();
    this.#agents.set(key, agent);
    return agent;
  }

  /** A number that stands for an object in a key. */
  numberOf(object: object): number {
    const known = this.#numbers.get(object);
    if (known !== undefined) return known;
    this.#numbered += 1;
    this.#numbers.set(object, this.#numbered);
    return this.#numbered;
  }

  /** Runs `work` when everybody who asked before for the same `key` is done. */
  async alone<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(key) ?? Promise.resolve();
    const mine = before.then(work);
    const over = mine.then(
      () => {},
      () => {},
    );
    this.#turns.set(key, over);
    try {
      return await mine;
    } finally {
      if (this.#turns.get(key) === over) this.#turns.delete(key);
    }
  }

  /** Closes idle connections, and those in use once they are done. */
  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
    this.lines.close();
  }

  #host(name: string): Host {
    const known = this.#hosts.get(name);
    if (known !== undefined) return known;
    const host = { reading: new Slots(this.transfers), writing: new Slots(this.transfers) };
    this.#hosts.set(name, host);
    return host;
  }

  #letGo(): void {
    for (const [key, agent] of this.#agents) {
      const busy = [agent.sockets, agent.requests].some((byName) => Object.keys(byName).length > 0);
      if (busy) continue;
      agent.destroy();
      this.#agents.delete(key);
    }
  }
}
