import { StoreError } from '../store.ts';
import { CODE, functions, named } from './names.ts';
import { initialSchema } from './schema.ts';
import { retentionSchema } from './schema-retention.ts';
import { rulesSchema } from './schema-rules.ts';
import type { Session } from './session.ts';

interface Migration {
  readonly sql: string;
  /** The oldest schema version whose programs still work afterwards: one that only adds leaves it as it is. */
  readonly minimum: number;
}

/** Applied in order; the index plus one is the version. Never edit one that was released: add the next. */
const migrations: readonly Migration[] = [
  { sql: initialSchema, minimum: 1 },
  { sql: rulesSchema, minimum: 1 },
  { sql: retentionSchema, minimum: 1 },
];

export const SCHEMA_VERSION = migrations.length;

/** Of the advisory lock under which migrations run: "NERG". */
export const MIGRATION_LOCK = 0x4e455247;

interface Versions {
  readonly version: number;
  readonly minimum: number;
}

/**
 * Brings the schema and this program's functions up to date, in one transaction under a lock: of several processes that start at
 * once one does the work, and the others find it done. Throws StoreError where the database is too new, QueryFailure otherwise.
 */
export async function migrate(session: Session): Promise<void> {
  await session.query('BEGIN');
  try {
    // Others may be at a long migration: wait for them.
    await session.query('SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0');
    await session.query(`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`);
    await requireUtf8(session);
    await applyMissing(session);
    await session.query('COMMIT');
  } catch (error) {
    if (!session.lost) await session.query('ROLLBACK').catch(() => session.destroy());
    throw error;
  }
}

/** Refuses a database that this program cannot read: for those who may not write. */
export async function requireReadable(session: Session): Promise<void> {
  if (!(await hasSchema(session)))
    throw new StoreError(
      'io',
      'the database holds no registry (no schema ne_registry); is it the right one? `ne-registry serve` makes it at its first start',
    );
  const { version } = await versions(session);
  if (version < SCHEMA_VERSION)
    throw new StoreError(
      'io',
      `the metadata has schema version ${version}, older than ${SCHEMA_VERSION}; start \`ne-registry serve\` once to bring it up to date`,
    );
}

async function applyMissing(session: Session): Promise<void> {
  if (!(await hasSchema(session))) await session.query('CREATE SCHEMA ne_registry');
  await session.query(
    'CREATE TABLE IF NOT EXISTS schema_version (version integer PRIMARY KEY, minimum integer NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())',
  );
  const { version } = await versions(session);
  for (let next = version; next < SCHEMA_VERSION; next += 1) {
    const migration = migrations[next];
    if (migration === undefined) break;
    await session.query(migration.sql);
    await session.query(`INSERT INTO schema_version (version, minimum) VALUES (${next + 1}, ${migration.minimum})`);
  }
  const [found] = await session.query(`SELECT 1 FROM pg_proc WHERE proname = '${named('fn.put_manifest')}'
    AND pronamespace = 'ne_registry'::regnamespace`);
  if (found === undefined) await session.query(functions);
}

async function hasSchema(session: Session): Promise<boolean> {
  return (await session.query(`SELECT 1 FROM pg_namespace WHERE nspname = 'ne_registry'`)).length > 0;
}

async function versions(session: Session): Promise<Versions> {
  const sql = 'SELECT coalesce(max(version), 0) AS version, coalesce(max(minimum), 0) AS minimum FROM schema_version';
  const [found] = await session.query<Versions>(sql);
  const { version, minimum } = found ?? { version: 0, minimum: 0 };
  if (minimum <= SCHEMA_VERSION) return { version, minimum };
  throw new StoreError(
    'corrupt',
    `the metadata has schema version ${version}, which programs of schema version ${minimum} and later understand, and this one knows up to ${SCHEMA_VERSION} (${CODE}); it was written by a newer ne-registry: run that version, or restore a backup made before the upgrade. Nothing was changed`,
  );
}

async function requireUtf8(session: Session): Promise<void> {
  const [row] = await session.query<{ encoding: string }>(`SELECT current_setting('server_encoding') AS encoding`);
  if (row?.encoding === 'UTF8') return;
  throw new StoreError(
    'io',
    `the database is encoded as ${row?.encoding}; make one with ENCODING 'UTF8' TEMPLATE template0`,
  );
}
