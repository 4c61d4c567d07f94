import type { RegistryResource, RegistrySpec } from '../../../src/operator/registry/resource.ts';
import { type Site, siteOf } from '../../../src/operator/registry/site.ts';

/** A Registry as the API server would send it. */
export function registry(spec: Partial<RegistrySpec> = {}, name = 'main'): RegistryResource {
  return {
    apiVersion: 'ne-registry.io/v1alpha1',
    kind: 'Registry',
    metadata: { name, namespace: 'registry', uid: '00000000-0000-4000-8000-000000000001', generation: 3 },
    spec: { host: 'registry.bank.example', ...spec },
  };
}

export function site(spec: Partial<RegistrySpec> = {}, name = 'main'): Site {
  return siteOf({
    registry: registry(spec, name),
    defaultImage: 'images.example/ne-registry:0.1.0',
    operatorNamespace: 'ne-registry',
  });
}
