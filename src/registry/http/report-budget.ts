import { Refusal } from '../../domain/errors.ts';

/** Reports of one cluster at once: one that is being taken, and one that came after it. */
const mostOfOne = 2;

/** What one cluster may have under way: it cannot take what is there for all. */
export class ReportBudget {
  readonly #clusters = new Map<string, number>();

  /** Runs `work` for a report of this cluster. @throws Refusal TOOMANYREQUESTS */
  async run(cluster: string, work: () => Promise<void>): Promise<void> {
    const count = this.#clusters.get(cluster) ?? 0;
    if (count >= mostOfOne) throw busy(cluster);
    this.#clusters.set(cluster, count + 1);
    try {
      await work();
    } finally {
      this.#leave(cluster);
    }
  }

  #leave(cluster: string): void {
    const count = (this.#clusters.get(cluster) ?? 1) - 1;
    if (count === 0) this.#clusters.delete(cluster);
    else this.#clusters.set(cluster, count);
  }
}

function busy(cluster: string): Refusal {
  const message = `other reports of ${cluster} are being taken; send this one again in some seconds`;
  return new Refusal('TOOMANYREQUESTS', message, { headers: { 'retry-after': '5' } });
}
