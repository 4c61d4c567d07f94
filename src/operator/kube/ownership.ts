import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from './object.ts';

/**
 * A FieldsV1 set (structured-merge-diff): `f:name` is a field, `k:{…}` a list item by its keys, `v:…` a list item by
 * its value, `.` the thing itself; an empty object is a leaf, owned with all below it.
 */
type Fields = Record<string, unknown>;

/** What the API server never counts as anybody's. */
const UNTRACKED = new Set(['apiVersion', 'kind']);
const UNTRACKED_METADATA = new Set([
  'name',
  'namespace',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'managedFields',
]);

/** Whether every field of an applied object is in the set of fields that its manager owns. */
export function ownsAll(fields: Fields, applied: KubeObject): boolean {
  return Object.entries(applied).every(([name, value]) => {
    if (UNTRACKED.has(name)) return true;
    if (name !== 'metadata') return ownsField(fields, name, value);
    const tracked = Object.entries(value as object).filter(([key]) => !UNTRACKED_METADATA.has(key));
    const owned = fields['f:metadata'] as Fields | undefined;
    return tracked.every(([key, item]) => owned !== undefined && ownsField(owned, key, item));
  });
}

function ownsField(fields: Fields, name: string, value: unknown): boolean {
  const owned = fields[`f:${name}`] as Fields | undefined;
  return owned !== undefined && owns(owned, value);
}

function owns(owned: Fields, value: unknown): boolean {
  if (isLeaf(owned)) return true;
  if (Array.isArray(value)) return value.every((item) => ownsItem(owned, item));
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([name, item]) => ownsField(owned, name, item));
}

function ownsItem(owned: Fields, item: unknown): boolean {
  return Object.entries(owned).some(([path, below]) => {
    if (path.startsWith('v:')) return isDeepStrictEqual(JSON.parse(path.slice(2)), item);
    if (path.startsWith('k:')) return hasKeys(item, JSON.parse(path.slice(2)) as Fields) && owns(below as Fields, item);
    return false;
  });
}

/** A key that the item leaves out is one that the schema gives a default, such as a port's `protocol`. */
function hasKeys(item: unknown, keys: Fields): boolean {
  if (typeof item !== 'object' || item === null) return false;
  return Object.entries(keys).every(([key, value]) => {
    const own = (item as Fields)[key];
    return own === undefined || isDeepStrictEqual(own, value);
  });
}

function isLeaf(owned: Fields): boolean {
  return Object.keys(owned).length === 0;
}
