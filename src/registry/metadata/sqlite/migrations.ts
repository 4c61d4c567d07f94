import { StoreError } from '../store.ts';
import type { Connection } from './connection.ts';
import { initialSchema } from './schema.ts';
import { reclaimSchema } from './schema-reclaim.ts';
import { retentionSchema } from './schema-retention.ts';
import { rulesSchema } from './schema-rules.ts';

/** Applied in order; the index plus one is the version. Never edit one that was released: add the next. */
const migrations: readonly string[] = [initialSchema, reclaimSchema, rulesSchema, retentionSchema];

/** `PRAGMA application_id`: tells our database from somebody else's file. "NERG". */
export const APPLICATION_ID = 0x4e455247;

export const SCHEMA_VERSION = migrations.length;

/** The version that the database is at, 0 for an empty one. Throws StoreError where it is not ours, or newer than we are. */
export function schemaVersion(connection: Connection): number {
  const version = pragma(connection, 'user_version');
  const application = pragma(connection, 'application_id');
  const empty = version === 0 && application === 0 && tables(connection) === 0;
  if (!empty && application !== APPLICATION_ID)
    throw new StoreError(
      'corrupt',
      'the metadata file is an SQLite database of another program; choose another data directory',
    );
  if (version > SCHEMA_VERSION)
    throw new StoreError(
      'corrupt',
      `the metadata has schema version ${version}, and this program knows up to ${SCHEMA_VERSION}; it was written by a newer ne-registry: run that version, or restore a backup made before the upgrade. Nothing was changed`,
    );
  return version;
}

/** Brings the schema to this program's version, each step in a transaction of its own. */
export function migrate(connection: Connection): void {
  for (let version = schemaVersion(connection); version < SCHEMA_VERSION; version += 1) {
    connection.db.exec('BEGIN IMMEDIATE');
    try {
      connection.db.exec(migrations[version] ?? '');
      connection.db.exec(`PRAGMA user_version = ${version + 1}; PRAGMA application_id = ${APPLICATION_ID}`);
      connection.db.exec('COMMIT');
    } catch (error) {
      if (connection.db.isTransaction) connection.db.exec('ROLLBACK');
      throw error;
    }
  }
}

function pragma(connection: Connection, name: 'user_version' | 'application_id'): number {
  return connection.get<Record<string, number>>(`PRAGMA ${name}`)?.[name] ?? 0;
}

function tables(connection: Connection): number {
  return connection.get<{ n: number }>('SELECT count(*) AS n FROM sqlite_schema')?.n ?? 0;
}
