/**
 * Settings that the schema describes and this version cannot carry out yet. They are refused as a whole: nothing is
 * deployed or changed while one of them is there, and none is ever ignored.
 */
import type { RegistrySpec } from './resource.ts';

interface Rule {
  readonly field: string;
  readonly used: (spec: RegistrySpec) => boolean;
}

const given = (value: unknown): boolean => value !== undefined;
const filled = (value: object | undefined): boolean => value !== undefined && Object.keys(value).length > 0;

const rules: readonly Rule[] = [
  { field: 'expose.gateway', used: (spec) => given(spec.expose?.gateway) },
  { field: 'proxyProtocol', used: (spec) => spec.proxyProtocol === true },
  { field: 'tls.certManager', used: (spec) => given(spec.tls?.certManager) },
  { field: 'auth.serviceAccounts', used: (spec) => given(spec.auth?.serviceAccounts) },
  { field: 'auth.oidc', used: (spec) => given(spec.auth?.oidc) },
  { field: 'auth.clientCertificates', used: (spec) => given(spec.auth?.clientCertificates) },
  { field: 'quota', used: (spec) => filled(spec.quota) },
  { field: 'immutableTags', used: (spec) => filled(spec.immutableTags) },
  {
    field: 'workers.mode Separate without spec.storage.s3 and spec.metadata.postgres',
    used: ({ workers, storage, metadata }) =>
      workers?.mode === 'Separate' && !(given(storage?.s3) && given(metadata?.postgres)),
  },
  { field: 'audit', used: (spec) => given(spec.audit) },
];

/** The settings in `spec` that cannot be carried out, as paths below `spec.`; empty when all can. */
export function unsupportedSettings(spec: RegistrySpec): string[] {
  return rules.filter((rule) => rule.used(spec)).map((rule) => `spec.${rule.field}`);
}
