import type { Program } from '../process.ts';
import { answers } from './answers.ts';
import type { Server } from './server.ts';

/** The server that a started program is, as soon as it answers. Rejects as `Program.until` does. */
export async function served(
  program: Program,
  about: Pick<Server, 'name' | 'host' | 'tls' | 'authorization'>,
): Promise<Server> {
  const server: Server = { ...about, pids: () => program.pids(), stop: () => program.stop() };
  await program.until(() => answers(server));
  return server;
}
