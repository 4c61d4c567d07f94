/** What a person is told to do about a refusal: it depends on where the credentials and certificates come from. */
export interface Advice {
  /** How to give the credentials of a host, as the end of a sentence. */
  login(host: string): string;
  /** How to trust a certificate. */
  trust(host: string): string;
  /** How to speak plain HTTP. */
  plainHttp(host: string): string;
}

/** For a person with ne-cli in hand. */
export const commandLineAdvice: Advice = {
  login: (host) => `run \`ne-cli login ${host}\``,
  trust: (host) =>
    `name its authority with --ca-file or in /etc/docker/certs.d/${host}/, or use --insecure on a network you trust`,
  plainHttp: () => 'if it serves plain HTTP and you trust the network, use --insecure',
};

/** For whoever wrote a rule that a registry carries out. */
export const ruleAdvice: Advice = {
  login: (host) => `name a Secret with the credentials of ${host} in the rule's connections[].secretRef`,
  trust: (host) => `give its authority for ${host} in the rule's connections[].caBundle`,
  plainHttp: (host) =>
    `if it serves plain HTTP and you trust the network, set insecure for ${host} in the rule's connections[]`,
};
