import type { InventoryRow, Reporter, Retaining } from '../metadata/retaining.ts';
import type { Millis } from '../metadata/store.ts';

/** Which clusters report here, and from when on a report is stale. */
export interface InUseSettings {
  readonly clusters: readonly string[];
  readonly staleSeconds: number;
}

/** What is known of one cluster's report, without what is in it. */
export interface ClusterReport {
  readonly name: string;
  readonly reportedAt: Millis;
  readonly receivedAt: Millis;
  /** Entries that it has. */
  readonly images: number;
  /** Absent where it covers the whole cluster. */
  readonly namespaces?: readonly string[];
}

/** What is remembered of the reports is this old at most, milliseconds. */
const lifetime = 15_000;

/** Who has reported, and when: for people, metrics and conditions. What counts for an image is read anew each time. */
export class Clusters {
  readonly #metadata: Pick<Retaining, 'inventory' | 'reporters'>;
  readonly #settings: () => InUseSettings;
  readonly #now: () => Millis;
  #known: { at: Millis; reports: Promise<ClusterReport[]> } | undefined;
  /** What was in the last report of each that was looked into. */
  readonly #shortened = new Map<string, ClusterReport>();

  constructor(parts: {
    metadata: Pick<Retaining, 'inventory' | 'reporters'>;
    settings: () => InUseSettings;
    now: () => Millis;
  }) {
    this.#metadata = parts.metadata;
    this.#settings = parts.settings;
    this.#now = parts.now;
  }

  /** Whether reports of this cluster are expected. */
  lists(cluster: string): boolean {
    return this.#settings().clusters.includes(cluster);
  }

  /** A report came: it shall be seen at once. */
  forget(): void {
    this.#known = undefined;
  }

  /** Of the clusters that are listed, in that order; undefined for one that has not reported. */
  async listed(): Promise<{ name: string; report: ClusterReport | undefined; stale: boolean }[]> {
    const reports = new Map((await this.#reports()).map((report) => [report.name, report]));
    return this.#settings().clusters.map((name) => {
      const report = reports.get(name);
      return { name, report, stale: report !== undefined && this.#isStale(report) };
    });
  }

  #isStale({ receivedAt }: ClusterReport): boolean {
    return receivedAt + this.#settings().staleSeconds * 1000 < this.#now();
  }

  #reports(): Promise<ClusterReport[]> {
    const at = this.#now();
    if (this.#known !== undefined && at - this.#known.at < lifetime) return this.#known.reports;
    const reports = this.#read();
    this.#known = { at, reports };
    reports.catch(() => this.forget());
    return reports;
  }

  async #read(): Promise<ClusterReport[]> {
    if (this.#settings().clusters.length === 0) return [];
    const { reports } = await this.#metadata.reporters();
    const found: ClusterReport[] = [];
    for (const reporter of reports) found.push(await this.#lookInto(reporter));
    return found;
  }

  /** A report is long, and the same until another one comes. */
  async #lookInto(reporter: Reporter): Promise<ClusterReport> {
    const { cluster: name, ...times } = reporter;
    const known = this.#shortened.get(name);
    if (known?.receivedAt === times.receivedAt && known.reportedAt === times.reportedAt) return known;
    const row = await this.#metadata.inventory(name);
    const report = row === undefined ? { name, ...times, images: 0 } : shortened(row);
    this.#shortened.set(name, report);
    return report;
  }
}

function shortened({ cluster, reportedAt, receivedAt, document }: InventoryRow): ClusterReport {
  const { images, namespaces } = JSON.parse(document) as { images: unknown[]; namespaces?: string[] };
  return { name: cluster, reportedAt, receivedAt, images: images.length, ...(namespaces && { namespaces }) };
}

/** As the status of a RetentionPolicy has it (`status.inUse.clusters[]`). */
export function shownCluster({ name, report, stale }: Awaited<ReturnType<Clusters['listed']>>[number]) {
  if (report === undefined) return { name };
  const { reportedAt, images, namespaces } = report;
  return { name, reportedAt: new Date(reportedAt).toISOString(), stale, images, ...(namespaces && { namespaces }) };
}
