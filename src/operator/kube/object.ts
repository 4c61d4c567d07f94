/** Kubernetes objects as the API server sends them: plain JSON, nothing renamed, dates as strings. */
import type { ObjectMeta as ResourceMeta } from '../../api/v1alpha1/object-meta.ts';

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** One entry of `metadata.managedFields`: which fields a manager owns. */
export interface ManagedFieldsEntry {
  manager?: string;
  operation?: string;
  subresource?: string;
  fieldsV1?: Record<string, unknown>;
}

/** What is read of our own resources' metadata, and what only the loop looks at. */
export interface ObjectMeta extends ResourceMeta {
  ownerReferences?: OwnerReference[];
  managedFields?: ManagedFieldsEntry[];
}

export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

/** A kind of object, for example `{apiVersion: 'apps/v1', kind: 'StatefulSet'}`. */
export interface KindRef {
  apiVersion: string;
  kind: string;
}

/** One object by name; `namespace` is absent for what is cluster-wide. */
export interface ObjectRef extends KindRef {
  name: string;
  namespace?: string;
}

/** The reference that names an object. */
export function refOf(object: KubeObject): ObjectRef {
  const { name, namespace } = object.metadata;
  return { apiVersion: object.apiVersion, kind: object.kind, name, ...(namespace === undefined ? {} : { namespace }) };
}

/** `StatefulSet registry/main`, for messages and logs. */
export function describeRef(ref: ObjectRef): string {
  return `${ref.kind} ${ref.namespace === undefined ? ref.name : `${ref.namespace}/${ref.name}`}`;
}

/** A controller owner reference to `owner`, so that the garbage collector removes the child with it. */
export function ownedBy(owner: KubeObject): OwnerReference {
  const { name, uid } = owner.metadata;
  if (uid === undefined)
    throw new Error(`${describeRef(refOf(owner))} has no uid: it was not read from the API server`);
  return { apiVersion: owner.apiVersion, kind: owner.kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** The key of an object within its kind. */
export function keyOf(namespace: string | undefined, name: string): string {
  return `${namespace ?? ''}/${name}`;
}
