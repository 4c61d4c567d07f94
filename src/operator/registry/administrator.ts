/** Users that the operator makes for a Registry: a random password, and what the pod needs to check it. */
import { randomInt } from 'node:crypto';
import bcrypt from 'bcrypt';

export const administratorName = 'admin';
/** Whom other Registries of the cluster come as when a ReplicationRule has them reach this one: a plain user. */
export const replicationUserName = 'ne-replication';
const passwordLength = 32;
const alphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789';
/** Some 60 ms a check here; the password has 186 bits, so the hash needs no more to be safe. */
const cost = 10;

/** Contents of the Secrets `<name>-admin` and `<name>-replication`. */
export interface MadeUser {
  readonly username: string;
  readonly password: string;
  /** One htpasswd line with a bcrypt hash; the only part that the pod sees. */
  readonly htpasswd: string;
}

/**
 * The administrator that a Secret's data describes. A password that a person put there is kept, and its hash made to
 * fit; what is missing is made. Gives the same values when they fit already.
 */
export function completeAdministrator(data: Readonly<Record<string, string>>): Promise<MadeUser> {
  return complete(data, isUsername(data.username) ? data.username : administratorName);
}

/** The same for the user that replication comes as; its name is fixed. */
export function completeReplicationUser(data: Readonly<Record<string, string>>): Promise<MadeUser> {
  return complete(data, replicationUserName);
}

async function complete(data: Readonly<Record<string, string>>, username: string): Promise<MadeUser> {
  const password = data.password ? data.password : randomPassword();
  const htpasswd = data.htpasswd;
  if (htpasswd !== undefined && (await fits(htpasswd, username, password))) return { username, password, htpasswd };
  return { username, password, htpasswd: `${username}:${await bcrypt.hash(password, cost)}\n` };
}

/** 32 characters without those that look alike. */
function randomPassword(): string {
  return Array.from({ length: passwordLength }, () => alphabet[randomInt(alphabet.length)]).join('');
}

async function fits(htpasswd: string, username: string, password: string): Promise<boolean> {
  const match = /^([^:\n]+):(\$2[aby]\$\d\d\$[./A-Za-z0-9]{53})\n?$/.exec(htpasswd);
  if (match?.[1] !== username || match[2] === undefined) return false;
  // $2y$ is crypt_blowfish's name for what OpenBSD calls $2b$.
  return bcrypt.compare(password, match[2].replace(/^\$2y/, '$2b'));
}

function isUsername(name: string | undefined): name is string {
  return name !== undefined && /^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$/.test(name);
}
