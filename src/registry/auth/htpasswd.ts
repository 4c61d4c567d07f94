/** htpasswd files with bcrypt hashes, as `htpasswd -B` and `ne-registry admin create-user` write them. Pure. */

/** bcrypt's own text form; the last 53 characters are salt and hash. */
const bcryptHash = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const userName = /^[^\s:\p{Cc}]{1,253}$/u;
/** The name of callers without credentials: a user of that name would own their uploads. */
const reserved = 'anonymous';
/** Each step of the cost doubles the time: 15 is about four seconds on one core. */
const costs = { least: 4, most: 15 };

/** Users of a file: name to hash. */
export type Hashes = ReadonlyMap<string, string>;

/** A line that is not understood. The message has file, line and what to do, and no part of a hash. */
export class InvalidHtpasswd extends Error {
  constructor(file: string, line: number, problem: string) {
    super(`${file} line ${line}: ${problem}`);
    this.name = 'InvalidHtpasswd';
  }
}

/** Whether a user may have this name: no colon (Basic authentication ends it there), no spaces, no control characters. */
export function isUserName(name: string): boolean {
  return userName.test(name) && name !== reserved;
}

/**
 * Reads `name:hash` lines; empty ones and comments (`#`) are skipped.
 * @param file names the file in errors
 * @throws InvalidHtpasswd for a line with no bcrypt hash, a name given twice, a cost that would keep a core busy for minutes
 */
export function parseHtpasswd(text: string, file: string): Hashes {
  const users = new Map<string, string>();
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const { name, hash } = parseLine(line, file, index + 1);
    if (users.has(name))
      throw new InvalidHtpasswd(file, index + 1, `user ${JSON.stringify(name)} is there twice; keep one line`);
    users.set(name, hash);
  }
  return users;
}

function parseLine(line: string, file: string, number: number): { name: string; hash: string } {
  const colon = line.indexOf(':');
  const name = line.slice(0, Math.max(colon, 0));
  const hash = line.slice(colon + 1);
  if (!isUserName(name))
    throw new InvalidHtpasswd(file, number, 'a line is "name:hash", the name without spaces and not "anonymous"');
  const cost = bcryptHash.exec(hash)?.[1];
  if (cost === undefined) {
    throw new InvalidHtpasswd(
      file,
      number,
      `user ${JSON.stringify(name)} has no bcrypt hash; make one with htpasswd -B or ne-registry admin create-user`,
    );
  }
  if (Number(cost) < costs.least || Number(cost) > costs.most) {
    throw new InvalidHtpasswd(
      file,
      number,
      `user ${JSON.stringify(name)} has bcrypt cost ${Number(cost)}; use ${costs.least} to ${costs.most}`,
    );
  }
  return { name, hash };
}

/** bcrypt cost (a power of two) of a hash that `parseHtpasswd` let through. */
export function costOf(hash: string): number {
  return Number(hash.slice(4, 6));
}
