import express, { type Request, type Response, type Router } from 'express';
import { Refusal } from '../../domain/errors.ts';
import { Turns } from '../../platform/turns.ts';
import type { Retaining } from '../metadata/retaining.ts';
import { type Clusters, shownCluster } from '../retention/clusters.ts';
import { type AdministratorRooms, administratorsOnly, reportersAsWell } from './administrators.ts';
import { ReportBudget } from './report-budget.ts';

export interface InventoryRooms {
  readonly metadata: Pick<Retaining, 'inventory' | 'putInventory' | 'reporters'>;
  readonly clusters: Clusters;
  /** Some cluster reported for the first time, or names something that it did not before. */
  reported(): void;
}

/** Bytes of a report. */
const LARGEST = 16 * 1024 * 1024;
/** Larger ones arrive one at a time: a fleet of them would not fit into memory. */
const SMALL = 1024 * 1024;
/** Who takes longer to send one is cut off, milliseconds: others wait for their turn. */
const PATIENCE = 60_000;
const path = '/admin/v1/inventories';

/** What clusters run, as their operators report it. Comes before the router that only administrators pass. */
export function inventoryRouter(rooms: InventoryRooms & AdministratorRooms): Router {
  const router = express.Router();
  const [takes, larges] = [new Turns(), new Turns()];
  const budget = new ReportBudget();
  router.get(path, administratorsOnly(rooms), async (_request, response) => {
    const clusters = (await rooms.clusters.listed()).map((cluster) => ({
      ...shownCluster(cluster),
      ...(cluster.report && { receivedAt: new Date(cluster.report.receivedAt).toISOString() }),
    }));
    response.set('cache-control', 'no-store').json({ clusters });
  });
  router.put(`${path}/:cluster`, reportersAsWell(rooms), async (request, response) => {
    const { cluster } = request.params;
    if (!rooms.clusters.lists(cluster)) throw notListed(cluster);
    const receive = async () => {
      const body = await bodyOf(request as Request, response);
      // One after the other: which of two is newer is decided by what is there.
      await takes.run(() => take(rooms, cluster, body));
    };
    const isSmall = Number(request.headers['content-length']) <= SMALL;
    await budget.run(cluster, () => (isSmall ? receive() : larges.run(receive)));
    response.status(204).end();
  });
  return router;
}

async function take(rooms: InventoryRooms & AdministratorRooms, cluster: string, body: Uint8Array): Promise<void> {
  // Loaded with the first report: a registry that no cluster reports to never needs it.
  const { InvalidInventory, parseInventory } = await import('../../domain/retention/inventory.ts');
  const { receiveReport } = await import('../../domain/retention/report.ts');
  try {
    const inventory = parseInventory(body);
    const known = await rooms.metadata.reporters();
    const before = await rooms.metadata.inventory(cluster);
    const { revision } = await rooms.metadata.putInventory(
      receiveReport(before, { cluster, receivedAt: rooms.now(), inventory }),
    );
    rooms.clusters.forget();
    if (before === undefined || revision !== known.revision) rooms.reported();
  } catch (error) {
    if (!(error instanceof InvalidInventory)) throw error;
    const { message, problems } = error;
    throw new Refusal('UNSUPPORTED', message, { status: 400, detail: { problems } });
  }
}

const read = express.raw({ type: () => true, limit: LARGEST });

function bodyOf(request: Request, response: Response): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => request.destroy(), PATIENCE);
    read(request, response, (error?: unknown) => {
      clearTimeout(late);
      if (error !== undefined) return reject(error);
      const { body }: { body?: unknown } = request;
      resolve(body instanceof Uint8Array ? body : new Uint8Array());
    });
  });
}

function notListed(cluster: string): Refusal {
  const message = `no reports are expected of the cluster ${JSON.stringify(cluster.slice(0, 64))}; add it to inUse.clusters of the registry`;
  return new Refusal('UNSUPPORTED', message, { status: 404 });
}
