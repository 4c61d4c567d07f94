import { createInterface } from 'node:readline/promises';
import { isHost } from '../../domain/oci/reference.ts';
import { isTransferError } from '../../transfer/errors.ts';
import { discard } from '../../transfer/http/wire.ts';
import type { Context } from '../context.ts';
import { CliFailure, UsageFailure } from '../failure.ts';

export interface LoginOptions {
  readonly username?: string;
  readonly passwordStdin?: boolean;
}

/** Checks credentials with the registry, then keeps them where other container tools find them. */
export async function login(context: Context, host: string, options: LoginOptions): Promise<void> {
  refuseNonHost(host);
  const { username, password } = await askedCredentials(context, options);
  const client = context.registry(host, context.options, async (name) =>
    name === host ? { username, password } : undefined,
  );
  try {
    discard(
      await client.request({
        method: 'GET',
        path: '/v2/',
        scopes: [],
        what: 'log in',
        accept: [200],
        signal: context.signal,
      }),
    );
  } catch (error) {
    if (!isTransferError(error, 'Unauthorized')) throw error;
    const why = error.message.includes('were not sent') ? error.message : `the user name or the password is wrong`;
    throw new CliFailure(`${host}: cannot log in as ${JSON.stringify(username)}: ${why}`);
  }
  const keptIn = await context.surroundings.credentials.save(host, username, password);
  context.print({ host, username, keptIn }, () => `Logged in to ${host} as ${username}; kept in ${keptIn}`);
}

/** Forgets the credentials of a registry. */
export async function logout(context: Context, host: string): Promise<void> {
  refuseNonHost(host);
  const { removed, stillIn } = await context.surroundings.credentials.remove(host);
  for (const file of stillIn) context.say(`note: ${file} still has credentials for ${host}`);
  context.print({ host, removed, stillIn }, () => (removed ? `Logged out of ${host}` : `Not logged in to ${host}`));
}

export function refuseNonHost(host: string): void {
  if (!isHost(host))
    throw new UsageFailure(
      `${JSON.stringify(host)} is no registry host; write host[:port], for example registry.example.com:5000`,
    );
}

async function askedCredentials(
  context: Context,
  options: LoginOptions,
): Promise<{ username: string; password: string }> {
  const { stdin } = context.surroundings;
  if (options.passwordStdin === true) {
    if (options.username === undefined) throw new UsageFailure('--password-stdin needs --username');
    return { username: options.username, password: checked(await readAll(stdin)) };
  }
  if (stdin.isTTY !== true)
    throw new UsageFailure('there is no terminal to ask for a password: use --username USER --password-stdin');
  const username = options.username ?? (await question(context, 'Username: '));
  return { username, password: checked(await secretQuestion(context, 'Password: ')) };
}

function checked(password: string): string {
  if (password === '') throw new UsageFailure('the password is empty');
  return password;
}

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream) {
    text += chunk;
    if (text.length > 65_536) throw new UsageFailure('the password on stdin is longer than 64 KiB');
  }
  return text.replace(/\r?\n$/, '');
}

/** Asks on the terminal, on stderr so that stdout stays clean. */
export async function question(context: Context, text: string): Promise<string> {
  const { stdin, stderr, signal } = context.surroundings;
  const lines = createInterface({ input: stdin, output: stderr, terminal: false });
  try {
    stderr.write(text);
    return (await lines.question('', { signal })).trim();
  } finally {
    lines.close();
  }
}

/** The same with the answer unseen. */
async function secretQuestion(context: Context, text: string): Promise<string> {
  const { stdin, stderr, signal } = context.surroundings;
  stderr.write(text);
  stdin.setRawMode?.(true);
  try {
    return await readSecret(stdin, signal);
  } finally {
    stdin.setRawMode?.(false);
    stdin.pause();
    stderr.write('\n');
  }
}

async function readSecret(stdin: NodeJS.ReadableStream, signal: AbortSignal): Promise<string> {
  let secret = '';
  stdin.setEncoding('utf8');
  for await (const chunk of stdin) {
    for (const key of chunk as unknown as string) {
      if (key === '\r' || key === '\n' || key === '\u0004') return secret;
      if (key === '\u0003' || signal.aborted) throw new CliFailure('interrupted');
      secret = key === '\u007f' || key === '\b' ? secret.slice(0, -1) : secret + key;
    }
  }
  return secret;
}
