import { homedir } from 'node:os';
import { CommanderError } from 'commander';
import { version } from '../platform/version.ts';
import { TransferError } from '../transfer/errors.ts';
import { authoritiesOfTheSystem, systemCertificateFolders } from '../transfer/http/trust-store.ts';
import type { Surroundings } from './context.ts';
import { CredentialStore } from './credentials/store.ts';
import { describeFailure, exitCodes } from './failure.ts';
import { buildProgram } from './program.ts';

/** What is still to be tidied up after an interruption may take this long; then the process goes. */
const graceMs = 900;

async function main(): Promise<number> {
  const { env, stdin, stdout, stderr } = process;
  const warn = (message: string) => stderr.write(`ne-cli: ${message}\n`);
  const surroundings: Surroundings = {
    env,
    stdin,
    stdout,
    stderr,
    signal: interruption(),
    credentials: new CredentialStore({ env, home: homedir(), warn }),
    authorities: authoritiesOfTheSystem(),
    certificateFolders: systemCertificateFolders,
    version,
  };
  // A reader that has seen enough (`| head`) is no failure.
  stdout.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? exitCodes.ok : exitCodes.failed),
  );
  try {
    await buildProgram(surroundings).parseAsync(process.argv);
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    const { message, exitCode } = describeFailure(error);
    warn(message);
    if (env.NE_DEBUG === '1' && error instanceof Error) stderr.write(`${error.stack}\n`);
    return exitCode;
  }
}

function interruption(): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    controller.abort(new TransferError('Cancelled', 'interrupted'));
    setTimeout(() => process.exit(exitCodes.interrupted), graceMs).unref();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return controller.signal;
}

process.exitCode = await main();
