import type { Digest } from '../../../../domain/oci/digest.ts';
import type { ManifestRow, Page, Reference, ReferrerRow } from '../../store.ts';
import type { Connection } from '../connection.ts';

const COLUMNS = 'm.digest, m.media_type AS mediaType, m.size, m.subject, m.pushed_at AS pushedAt';
const BYTES = 'JOIN manifest_bytes b ON b.manifest_id = m.id';
const BY_TAG = `FROM repositories r JOIN tags t ON t.repository_id = r.id AND t.name = ?2
  JOIN manifests m ON m.id = t.manifest_id`;
const BY_DIGEST = 'FROM repositories r JOIN manifests m ON m.repository_id = r.id AND m.digest = ?2';
const IN = 'WHERE r.name = ?1';

type Raw = Omit<ManifestRow, 'subject'> & { subject: Digest | null };
type RawBytes = Raw & { bytes: Uint8Array };
type RawReferrer = {
  digest: Digest;
  mediaType: string;
  size: number;
  artifactType: string | null;
  annotations: string | null;
};

function rowOf(raw: Raw): ManifestRow {
  const { digest, mediaType, size, subject, pushedAt } = raw;
  return subject === null ? { digest, mediaType, size, pushedAt } : { digest, mediaType, size, subject, pushedAt };
}

export function manifest(connection: Connection, repository: string, reference: Reference): ManifestRow | undefined {
  const raw =
    'tag' in reference
      ? connection.get<Raw>(`SELECT ${COLUMNS} ${BY_TAG} ${IN}`, repository, reference.tag)
      : connection.get<Raw>(`SELECT ${COLUMNS} ${BY_DIGEST} ${IN}`, repository, reference.digest);
  return raw === undefined ? undefined : rowOf(raw);
}

export function manifestBytes(
  connection: Connection,
  repository: string,
  reference: Reference,
): (ManifestRow & { bytes: Uint8Array }) | undefined {
  const raw =
    'tag' in reference
      ? connection.get<RawBytes>(`SELECT ${COLUMNS}, b.bytes ${BY_TAG} ${BYTES} ${IN}`, repository, reference.tag)
      : connection.get<RawBytes>(
          `SELECT ${COLUMNS}, b.bytes ${BY_DIGEST} ${BYTES} ${IN}`,
          repository,
          reference.digest,
        );
  return raw === undefined ? undefined : { ...rowOf(raw), bytes: raw.bytes };
}

const REFERRERS = `SELECT m.digest, m.media_type AS mediaType, m.size, m.artifact_type AS artifactType, m.annotations
  FROM repositories r JOIN manifests m ON m.repository_id = r.id
  WHERE r.name = ?1 AND m.subject = ?2 AND m.digest > ?3`;

export function referrers(
  connection: Connection,
  repository: string,
  digest: Digest,
  page: Page & { artifactType?: string },
): ReferrerRow[] {
  const { last = '', limit, artifactType } = page;
  const rows =
    artifactType === undefined
      ? connection.all<RawReferrer>(`${REFERRERS} ORDER BY m.digest LIMIT ?4`, repository, digest, last, limit)
      : connection.all<RawReferrer>(
          `${REFERRERS} AND m.artifact_type = ?5 ORDER BY m.digest LIMIT ?4`,
          repository,
          digest,
          last,
          limit,
          artifactType,
        );
  return rows.map(referrerOf);
}

function referrerOf({ digest, mediaType, size, artifactType, annotations }: RawReferrer): ReferrerRow {
  return {
    digest,
    mediaType,
    size,
    ...(artifactType === null ? {} : { artifactType }),
    ...(annotations === null ? {} : { annotations: JSON.parse(annotations) as Record<string, string> }),
  };
}

type Whole = ManifestRow & { repository: string; bytes: Uint8Array };
type RawWhole = RawBytes & { repository: string };
const WHOLE = `SELECT r.name AS repository, ${COLUMNS}, b.bytes FROM repositories r
  CROSS JOIN manifests m ON m.repository_id = r.id ${BYTES}`;

/** Two ranges: the rest of the repository that the last page ended in, then the repositories after it. */
export function manifests(
  connection: Connection,
  page: { last?: { repository: string; digest: Digest }; limit: number },
): Whole[] {
  const { last, limit } = page;
  const rest = `${WHOLE} WHERE r.name = ?1 AND m.digest > ?2 ORDER BY m.digest LIMIT ?3`;
  const after = `${WHOLE} WHERE r.name > ?1 ORDER BY r.name, m.digest LIMIT ?2`;
  const first = last === undefined ? [] : connection.all<RawWhole>(rest, last.repository, last.digest, limit);
  const more =
    first.length >= limit ? [] : connection.all<RawWhole>(after, last?.repository ?? '', limit - first.length);
  return [...first, ...more].map((raw) => ({ ...rowOf(raw), repository: raw.repository, bytes: raw.bytes }));
}
