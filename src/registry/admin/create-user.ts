import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeFileAtomic } from '../../platform/atomic-file.ts';
import { codeOf, Fatal, messageOf } from '../../platform/fatal.ts';
import { hashPassword, longestPassword } from '../auth/bcrypt.ts';
import { isUserName, parseHtpasswd } from '../auth/htpasswd.ts';
import { withFileLock } from '../metadata/file-lock.ts';
import type { CreateUserFlags } from './flags.ts';

export interface Terminal {
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

const shortestPassword = 8;

/**
 * `ne-registry admin create-user`: adds a user to an htpasswd file, or gives one a new password. A password that was made
 * here is printed once on stdout, alone, so that a script can take it.
 * @throws Fatal that says what to do
 */
export async function createUser(name: string, flags: CreateUserFlags, terminal: Terminal): Promise<void> {
  if (!isUserName(name)) {
    const message = `${JSON.stringify(name)} cannot be a user name: no spaces, colons or control characters, at most 253 characters, and not "anonymous"`;
    throw new Fatal(message, { exit: 'usage' });
  }
  const file = fileOf(flags);
  const given = flags.passwordStdin ? await readPassword(terminal.stdin) : undefined;
  const password = given ?? randomBytes(16).toString('hex');
  const hash = await hashPassword(password);
  const known = await alone(file, async () => {
    const text = await readUsers(file);
    const isKnown = parse(text, file).has(name);
    await write(file, withUser(text, name, hash));
    return isKnown;
  });
  if (given === undefined) terminal.stdout.write(`${password}\n`);
  const shown = given === undefined ? '; the password above is shown this once' : '';
  terminal.stderr.write(`${known ? 'changed the password of' : 'added'} user ${name} in ${file}${shown}\n`);
}

function fileOf({ data, htpasswd }: CreateUserFlags): string {
  if (htpasswd !== undefined) return htpasswd;
  if (data !== undefined) return join(data, 'htpasswd');
  throw new Fatal('create-user needs --data DIR (of the registry) or --htpasswd FILE', { exit: 'usage' });
}

/** One line; a line end after it does not belong to it. */
async function readPassword(stdin: AsyncIterable<Uint8Array | string>): Promise<string> {
  let text = '';
  for await (const chunk of stdin) {
    text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8');
    if (text.length > 4096) break;
  }
  const password = text.replace(/\r?\n$/, '');
  const problem = problemOf(password);
  if (problem !== undefined) throw new Fatal(`the password on standard input ${problem}`, { exit: 'usage' });
  return password;
}

function problemOf(password: string): string | undefined {
  if (password.length < shortestPassword) return `must have at least ${shortestPassword} characters`;
  if (Buffer.byteLength(password) > longestPassword)
    return `is longer than ${longestPassword} bytes, and bcrypt would ignore the rest`;
  return /[\0\r\n]/.test(password) ? 'must be one line' : undefined;
}

/** Two commands at once must not each write what the other has not seen. */
async function alone<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o750 });
    return await withFileLock(`${file}.lock`, work);
  } catch (cause) {
    if (cause instanceof Fatal) throw cause;
    throw new Fatal(`cannot change ${file}: ${messageOf(cause)}`, { cause });
  }
}

async function readUsers(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return '';
    throw new Fatal(`cannot read ${file}: ${messageOf(cause)}`, { cause });
  }
}

function parse(text: string, file: string): ReadonlyMap<string, string> {
  try {
    return parseHtpasswd(text, file);
  } catch (cause) {
    throw new Fatal(`${messageOf(cause)}; nothing was changed`, { cause });
  }
}

/** Other lines and comments stay as they are. */
function withUser(text: string, name: string, hash: string): string {
  const lines = text.split(/\r?\n/).filter((line) => !line.trimStart().startsWith(`${name}:`));
  while (lines.at(-1) === '') lines.pop();
  return [...lines, `${name}:${hash}`, ''].join('\n');
}

async function write(file: string, text: string): Promise<void> {
  try {
    await writeFileAtomic(file, text);
  } catch (cause) {
    throw new Fatal(`cannot write ${file}: ${messageOf(cause)}; check its owner and the space left`, { cause });
  }
}
