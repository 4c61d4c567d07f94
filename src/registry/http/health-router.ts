import express, { type Router } from 'express';

export interface HealthRooms {
  /** Why requests should not be sent here now; undefined where they should. */
  unreadiness(): Promise<string | undefined>;
}

/** `/healthz`: the process is alive. `/readyz`: send requests here; 503 with the reason otherwise. */
export function healthRouter({ unreadiness }: HealthRooms): Router {
  const router = express.Router();
  router.get('/healthz', (_request, response) => {
    response.type('text/plain').send('ok\n');
  });
  router.get('/readyz', async (_request, response) => {
    const reason = await unreadiness();
    response
      .status(reason === undefined ? 200 : 503)
      .type('text/plain')
      .send(`${reason ?? 'ok'}\n`);
  });
  return router;
}
