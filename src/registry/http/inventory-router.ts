import express, { type Request, type Router } from 'express';
import { Refusal } from '../../domain/errors.ts';
import type { Retaining } from '../metadata/retaining.ts';
import { type Clusters, shownCluster } from '../retention/clusters.ts';
import { type AdministratorRooms, administratorsOnly, reportersAsWell } from './administrators.ts';

export interface InventoryRooms {
  readonly metadata: Pick<Retaining, 'inventory' | 'putInventory' | 'reporters'>;
  readonly clusters: Clusters;
  /** Some cluster reported for the first time, or names something that it did not before. */
  reported(): void;
}

/** Bytes of a report. */
const largest = 16 * 1024 * 1024;
const path = '/admin/v1/inventories';

/** What clusters run, as their operators report it. Comes before the router that only administrators pass. */
export function inventoryRouter(rooms: InventoryRooms & AdministratorRooms): Router {
  const router = express.Router();
  const turns = new Map<string, Promise<unknown>>();
  router.get(path, administratorsOnly(rooms), async (_request, response) => {
    const clusters = (await rooms.clusters.listed()).map((cluster) => ({
      ...shownCluster(cluster),
      ...(cluster.report && { receivedAt: new Date(cluster.report.receivedAt).toISOString() }),
    }));
    response.set('cache-control', 'no-store').json({ clusters });
  });
  router.put(
    `${path}/:cluster`,
    reportersAsWell(rooms),
    express.raw({ type: () => true, limit: largest }),
    async (request, response) => {
      const { cluster } = request.params;
      if (!rooms.clusters.lists(cluster)) throw notListed(cluster);
      // One after the other: which of two is newer is decided by what is there.
      const turn = (turns.get(cluster) ?? Promise.resolve()).then(() => take(rooms, cluster, bytesOf(request)));
      const settled = turn.catch(() => undefined);
      turns.set(cluster, settled);
      try {
        await turn;
      } finally {
        if (turns.get(cluster) === settled) turns.delete(cluster);
      }
      response.status(204).end();
    },
  );
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

function bytesOf({ body }: Pick<Request, 'body'>): Uint8Array {
  return body instanceof Uint8Array ? body : new Uint8Array();
}

function notListed(cluster: string): Refusal {
  const message = `no reports are expected of the cluster ${JSON.stringify(cluster.slice(0, 64))}; add it to inUse.clusters of the registry`;
  return new Refusal('UNSUPPORTED', message, { status: 404 });
}
