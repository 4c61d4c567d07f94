import type { Digest } from '../../../../domain/oci/digest.ts';
import type { Millis, NewBlob, UploadRow } from '../../store.ts';
import type { Database } from '../database.ts';
import { named } from '../names.ts';
import type { Statement } from '../session.ts';

const create: Statement = {
  name: 'create_upload',
  text: 'INSERT INTO uploads (id, repository, owner, started_at) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING',
};
/** An upload has an id of its own and one holder at a time: each of these statements may come twice. */
const often = { repeatable: true };
const drop: Statement = { name: 'delete_upload', text: 'DELETE FROM uploads WHERE id = $1' };
const hold: Statement = {
  name: 'hold_upload',
  text: `UPDATE uploads SET holder = $2, held_until = $4 WHERE id = $1 AND (holder IS NULL OR holder = $2 OR held_until <= $3)
    RETURNING 1 AS held`,
};
const release: Statement = {
  name: 'release_upload',
  text: 'UPDATE uploads SET holder = NULL, held_until = NULL WHERE id = $1 AND holder = $2',
};

export async function createUpload(database: Database, row: UploadRow): Promise<void> {
  await database.write(create, [row.id, row.repository, row.owner, row.startedAt], often);
}

export async function deleteUpload(database: Database, id: string): Promise<void> {
  await database.write(drop, [id], often);
}

export async function holdUpload(
  database: Database,
  { id, holder, now, until }: { id: string; holder: string; now: Millis; until: Millis },
): Promise<boolean> {
  return (await database.write(hold, [id, holder, now, until], often)).length > 0;
}

export async function releaseUpload(database: Database, id: string, holder: string): Promise<void> {
  await database.write(release, [id, holder], often);
}

const add: Statement = { name: 'add_blob', text: named('SELECT fn.add_blob($1, $2, $3, $4, $5, $6, $7) AS value') };
const mount: Statement = { name: 'mount_blob', text: named('SELECT fn.mount_blob($1, $2, $3, $4) AS value') };
const remove: Statement = { name: 'delete_blob', text: named('SELECT fn.delete_blob($1, $2, $3) AS value') };
const quarantine: Statement = {
  name: 'quarantine_blob',
  text: `UPDATE blobs SET state = 'quarantined', damage = $3 WHERE digest = $1 AND key = $2`,
};
const restore: Statement = {
  name: 'release_blob',
  text: `UPDATE blobs SET state = 'ok', damage = NULL WHERE digest = $1 AND key = $2 AND state = 'quarantined' RETURNING 1 AS found`,
};

/** Runs a function that answers with one value. */
export async function call<Value>(
  database: Database,
  statement: Statement,
  values: readonly unknown[],
): Promise<Value> {
  const [row] = await database.write<{ value: Value }>(statement, values);
  if (row === undefined) throw new Error(`${statement.name} answered nothing`);
  return row.value;
}

/** @param delay for how long replaced bytes stay, milliseconds */
export function addBlob(database: Database, blob: NewBlob, delay: Millis): Promise<'named' | 'unknown-upload'> {
  const { repository, digest, size, key, uploadId, now } = blob;
  return call(database, add, [repository, digest, size, key, uploadId, now, delay]);
}

export function mountBlob(
  database: Database,
  { repository, from, digest, now }: { repository: string; from: string; digest: Digest; now: Millis },
): Promise<boolean> {
  return call(database, mount, [repository, from, digest, now]);
}

export function deleteBlob(
  database: Database,
  { repository, digest, now }: { repository: string; digest: Digest; now: Millis },
): Promise<'deleted' | 'unknown' | 'referenced'> {
  return call(database, remove, [repository, digest, now]);
}

export async function quarantineBlob(
  database: Database,
  { digest, key, why }: { digest: Digest; key: string; why: string },
): Promise<void> {
  await database.write(quarantine, [digest, key, why]);
}

export async function releaseBlob(database: Database, digest: Digest, key: string): Promise<boolean> {
  return (await database.write(restore, [digest, key])).length > 0;
}
