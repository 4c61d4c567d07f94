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

/** Whether `live` still counts every field of an applied object as its manager's, whose set of fields is `fields`. */
export function ownsAll(fields: Fields, applied: KubeObject, live: KubeObject): boolean {
  return Object.entries(applied).every(([name, value]) => {
    if (UNTRACKED.has(name)) return true;
    if (name !== 'metadata') return ownsField({ fields, live }, name, value);
    const tracked = Object.entries(value as object).filter(([key]) => !UNTRACKED_METADATA.has(key));
    const below = { fields: (fields['f:metadata'] ?? {}) as Fields, live: live.metadata };
    return tracked.every(([key, item]) => ownsField(below, key, item));
  });
}

/** The same place in the set and in the live object. */
interface Place {
  fields: Fields;
  live: unknown;
}

function ownsField(place: Place, name: string, value: unknown): boolean {
  const fields = place.fields[`f:${name}`] as Fields | undefined;
  const live = (place.live as Fields | undefined)?.[name];
  if (fields !== undefined) return owns({ fields, live }, value);
  // An empty list with items of their own keys has no path in the set, and the server does not store it.
  return isEmptyList(value) && (live === undefined || live === null || isEmptyList(live));
}

function owns(place: Place, value: unknown): boolean {
  if (Object.keys(place.fields).length === 0) return true;
  if (Array.isArray(value)) return value.every((item) => ownsItem(place, item));
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([name, item]) => ownsField(place, name, item));
}

function ownsItem(place: Place, item: unknown): boolean {
  return Object.entries(place.fields).some(([path, fields]) => {
    if (path.startsWith('v:')) return isDeepStrictEqual(JSON.parse(path.slice(2)), item);
    if (!path.startsWith('k:')) return false;
    const keys = JSON.parse(path.slice(2)) as Fields;
    const live = Array.isArray(place.live) ? place.live.find((other) => hasKeys(other, keys)) : undefined;
    return hasKeys(item, keys) && owns({ fields: fields as Fields, live }, item);
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

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
