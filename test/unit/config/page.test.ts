/** docs/configuration.md names every setting of the document, no other, and their defaults. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { toJSONSchema } from 'zod';
import { RegistryBootstrap } from '../../../src/api/bootstrap/v1alpha1.ts';

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly default?: unknown;
}

const page = readFileSync(join(import.meta.dirname, '../../../docs/configuration.md'), 'utf8');
/** `keys → what counts unless given`, as the table says it. */
const rows = [...page.matchAll(/^\| (`[^|]+`) \|([^|]*)\|/gm)].flatMap(([, keys = '', text = '']) =>
  [...keys.matchAll(/`([^`]+)`/g)].map(([, key = '']) => ({ key, text })),
);

function settings(schema: Schema, at = ''): { key: string; preset: unknown }[] {
  if (schema.properties === undefined) return [{ key: at, preset: schema.default }];
  return Object.entries(schema.properties).flatMap(([name, inner]) =>
    settings(inner, at === '' ? name : `${at}.${name}`),
  );
}

const all = settings(toJSONSchema(RegistryBootstrap, { io: 'input' }) as Schema).filter(
  ({ key }) => key !== 'apiVersion' && key !== 'kind',
);
const covers = (row: string, key: string) =>
  row === key || (row.endsWith('.*') && key.startsWith(row.slice(0, -'*'.length)));

test('every setting is on the page', () => {
  const absent = all.filter(({ key }) => !rows.some((row) => covers(row.key, key)));
  assert.deepEqual(absent, []);
});

test('every key of the page is a setting', () => {
  assert.ok(rows.length > 40, `only ${rows.length} keys found on the page`);
  const unknown = rows.filter((row) => !all.some(({ key }) => covers(row.key, key)));
  assert.deepEqual(unknown, []);
});

test('the page tells numbers and words that count unless given as they are', () => {
  const wrong = all
    .filter(({ preset }) => typeof preset === 'number' || (typeof preset === 'string' && preset !== ''))
    .filter(({ key, preset }) => {
      const text = rows.find((row) => row.key === key)?.text;
      return text !== undefined && !text.replaceAll('`', '').trim().startsWith(String(preset));
    });
  assert.deepEqual(wrong, []);
});
