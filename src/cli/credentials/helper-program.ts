import { spawn } from 'node:child_process';
import { CliFailure } from '../failure.ts';

/** What a `docker-credential-*` program keeps for a server. */
export interface HelperEntry {
  readonly ServerURL?: string;
  readonly Username: string;
  readonly Secret: string;
}

const patienceMs = 30_000;
const maxAnswer = 1_048_576;

/** Asks a credential helper for a server's entry; undefined where it has none. @throws CliFailure */
export async function askHelper(helper: string, server: string): Promise<HelperEntry | undefined> {
  const { code, output } = await runHelper(helper, 'get', server);
  if (code !== 0) {
    if (/not found|no credentials/i.test(output)) return undefined;
    throw new CliFailure(`the credential helper docker-credential-${helper} failed (exit code ${code})`);
  }
  try {
    const entry = JSON.parse(output) as Partial<HelperEntry>;
    if (typeof entry.Username === 'string' && typeof entry.Secret === 'string')
      return { Username: entry.Username, Secret: entry.Secret };
  } catch {
    // The answer may hold a secret: it is not repeated.
  }
  throw new CliFailure(`the credential helper docker-credential-${helper} answered no credentials`);
}

/** Lets a credential helper keep an entry. @throws CliFailure */
export async function storeWithHelper(helper: string, entry: HelperEntry): Promise<void> {
  const { code } = await runHelper(helper, 'store', JSON.stringify(entry));
  if (code !== 0)
    throw new CliFailure(`the credential helper docker-credential-${helper} could not store (exit code ${code})`);
}

/** Lets a credential helper forget a server; not knowing it is fine. */
export async function eraseWithHelper(helper: string, server: string): Promise<void> {
  await runHelper(helper, 'erase', server);
}

async function runHelper(helper: string, action: string, input: string): Promise<{ code: number; output: string }> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(helper))
    throw new CliFailure(`${JSON.stringify(helper)} is no name of a credential helper`);
  return await new Promise((resolve, reject) => {
    const child = spawn(`docker-credential-${helper}`, [action], {
      stdio: ['pipe', 'pipe', 'ignore'],
      timeout: patienceMs,
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (output.length < maxAnswer) output += text;
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'ENOENT'
          ? 'is not installed (the Docker configuration names it)'
          : `cannot be run: ${error.code}`;
      reject(new CliFailure(`the credential helper docker-credential-${helper} ${why}`));
    });
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}
