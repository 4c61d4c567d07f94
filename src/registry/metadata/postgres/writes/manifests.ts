import type { Digest } from '../../../../domain/oci/digest.ts';
import { contentOf } from '../../raw-image.ts';
import type { Actor, NewManifest, PutManifestResult } from '../../store.ts';
import type { Database } from '../database.ts';
import { named } from '../names.ts';
import type { Statement } from '../session.ts';
import { call } from './blobs.ts';

const put: Statement = {
  name: 'put_manifest',
  text: named(
    'SELECT fn.put_manifest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22) AS value',
  ),
};
const untag: Statement = { name: 'delete_tag', text: named('SELECT fn.delete_tag($1, $2, $3, $4, $5) AS value') };
const remove: Statement = {
  name: 'delete_manifest',
  text: named('SELECT fn.delete_manifest($1, $2, $3, $4, $5) AS value'),
};
const pulls: Statement = { name: 'note_pulls', text: named('SELECT fn.note_pulls($1, $2, $3)') };

export function putManifest(database: Database, manifest: NewManifest): Promise<PutManifestResult> {
  const { edges, by, conditions, annotations, replicated } = manifest;
  return call(database, put, [
    manifest.repository,
    manifest.digest,
    manifest.mediaType,
    manifest.bytes,
    manifest.subject ?? null,
    manifest.artifactType ?? null,
    annotations === undefined ? null : JSON.stringify(annotations),
    edges.map(({ kind }) => kind),
    edges.map(({ digest }) => digest),
    edges.map(({ required }) => required),
    manifest.tags,
    conditions?.createOnly === true,
    conditions?.ifMatch ?? null,
    conditions?.ifNoneMatch === true,
    by.name,
    by.now,
    replicated?.origin ?? by.origin ?? null,
    replicated?.version ?? null,
    replicated?.origin ?? null,
    ...contentOf(manifest),
  ]);
}

export function deleteTag(database: Database, repository: string, tag: string, by: Actor): Promise<boolean> {
  return call(database, untag, [repository, tag, by.name, by.now, by.origin ?? null]);
}

export function deleteManifest(database: Database, repository: string, digest: Digest, by: Actor): Promise<boolean> {
  return call(database, remove, [repository, digest, by.name, by.now, by.origin ?? null]);
}

export async function notePulls(
  database: Database,
  noted: readonly { repository: string; digest: Digest; hour: number }[],
): Promise<void> {
  const columns = [
    noted.map(({ repository }) => repository),
    noted.map(({ digest }) => digest),
    noted.map(({ hour }) => hour),
  ];
  if (noted.length > 0) await database.write(pulls, columns);
}
