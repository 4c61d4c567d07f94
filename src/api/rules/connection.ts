/**
 * How a registry reaches one of the places that a ReplicationRule names: what the operator sends beside the rule's spec, in
 * `PUT /admin/v1/rules/replication/NAME`. The registry keeps it sealed and never shows it.
 */
import * as z from 'zod';

const text = (most: number) => z.string().min(1).max(most);

export const RuleConnection = z.strictObject({
  /** Host of the place, with its port where there is one: what URLs, certificates and credentials go by. */
  host: text(261),
  /**
   * `NAME` or `NAME.NAMESPACE`: this connection is the one of `registry://NAME[.NAMESPACE]/…`, as the spec writes it. Without
   * it, it is the one of the places that the spec names by `host`.
   */
  registry: text(128).optional(),
  /** The place is the registry that does the work: nothing goes over a network. */
  self: z.literal(true).optional(),
  /** `host:port` that is dialled in place of `host`; names in URLs and certificates stay `host`'s. */
  address: text(512).optional(),
  username: text(1024).optional(),
  password: z.string().max(65_536).optional(),
  /** OAuth2 refresh token for the token endpoint, in place of name and password. */
  identityToken: text(65_536).optional(),
  /** PEM of the authorities that certificates are checked against; the system's without it. */
  ca: text(65_536).optional(),
  /** Plain HTTP. */
  insecure: z.boolean().optional(),
  /** URL of an HTTP proxy. */
  proxy: text(512).optional(),
});

/** At most one for each place of a rule, and one for each entry of `spec.connections`. */
export const RuleConnections = z.array(RuleConnection).max(160);

export type RuleConnection = z.output<typeof RuleConnection>;
