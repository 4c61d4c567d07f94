import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hash } from 'bcrypt';

/** A user in an htpasswd file, and the header that proves it. The password is made for this run. */
export interface User {
  readonly htpasswd: string;
  readonly authorization: string;
}

export async function makeUser(folder: string): Promise<User> {
  const password = randomBytes(18).toString('base64url');
  const htpasswd = join(folder, 'htpasswd');
  await writeFile(htpasswd, `bench:${await hash(password, 10)}\n`);
  return { htpasswd, authorization: `Basic ${Buffer.from(`bench:${password}`).toString('base64')}` };
}
