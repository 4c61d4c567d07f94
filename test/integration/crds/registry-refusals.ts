/** Specs of a Registry that the API server has to refuse. */
export const host = 'registry.bank.example';
export const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
export const s3 = { bucket: 'images', region: 'cn-north-1' };
export const postgres = { secretRef: { name: 'registry-db-app' } };
export const filesystem = (settings: object) => ({ host, storage: { filesystem: settings } });
const service = (settings: object) => ({ host, expose: { service: settings } });
const from = (...peers: object[]) => ({ host, networkPolicy: { from: peers } });

/** What is wrong, the spec, and what the API server says to it. */
export const refusedRegistries: [string, unknown, RegExp][] = [
  ['no spec', undefined, /spec: Required value/],
  ['no host', {}, /spec\.host: Required value/],
  ['an empty host', { host: '' }, /spec\.host/],
  ['a URL for a host', { host: 'https://registry.bank.example' }, /spec\.host must be a DNS name or address/],
  ['a path in the host', { host: 'registry.bank.example/images' }, /spec\.host must be a DNS name or address/],
  ['upper case in the host', { host: 'Registry.bank.example' }, /spec\.host must be a DNS name or address/],
  [
    'a label of 64 characters in the host',
    { host: `${'a'.repeat(64)}.example` },
    /spec\.host must be a DNS name or address/,
  ],
  [
    'a host of 254 characters',
    { host: `${`${'a'.repeat(62)}.`.repeat(4)}ab:1` },
    /spec\.host must be no longer than 253/,
  ],
  ['a port past 65535', { host: 'a.example:65536' }, /spec\.host must have a port from 1 to 65535/],
  ['port zero', { host: 'a.example:0' }, /spec\.host must have a port from 1 to 65535/],
  ['a host that tools take for a Docker Hub user', { host: 'registry' }, /spec\.host must contain a dot or a port/],
  ['an unknown field', { host, storge: {} }, /unknown field "spec\.storge"/],
  ['an external URL without a scheme', { host, externalURLs: ['registry.other.example'] }, /spec\.externalURLs\[0\]/],
  [
    'an external URL twice',
    { host, externalURLs: ['https://a.b', 'https://a.b'] },
    /spec\.externalURLs\[1\]: Duplicate/,
  ],
  [
    'tag and digest',
    { host, image: { tag: 'v1', digest: `sha256:${'0'.repeat(64)}` } },
    /spec\.image takes tag or digest/,
  ],
  ['a short digest', { host, image: { digest: 'sha256:abc' } }, /spec\.image\.digest/],
  ['an unknown pull policy', { host, image: { pullPolicy: 'Sometimes' } }, /spec\.image\.pullPolicy.*"Always"/],
  ['no replica', { host, replicas: 0 }, /spec\.replicas/],
  [
    'replicas on a file system',
    { host, replicas: 2 },
    /spec\.replicas above 1 needs spec\.storage\.s3 and spec\.metadata\.postgres/,
  ],
  ['replicas on a bucket with SQLite', { host, replicas: 2, storage: { s3 } }, /spec\.replicas above 1 needs/],
  [
    'replicas on a volume with PostgreSQL',
    { host, replicas: 2, metadata: { postgres } },
    /spec\.replicas above 1 needs/,
  ],
  [
    'workers of their own on a file system',
    { host, workers: { mode: 'Separate' } },
    /spec\.workers\.mode Separate needs spec\.storage\.s3 and spec\.metadata\.postgres/,
  ],
  [
    'workers of their own on a bucket with SQLite',
    { host, storage: { s3 }, workers: { mode: 'Separate' } },
    /spec\.workers\.mode Separate needs/,
  ],
  ['a grace without a unit', { host, reclaim: { grace: '10' } }, /spec\.reclaim\.grace/],
  ['a rate that is no number of bytes', { host, scrub: { rate: 'fast' } }, /spec\.scrub\.rate/],
  ['no snapshot kept', { host, backup: { target: { existingClaim: 'b' }, keep: 0 } }, /spec\.backup\.keep/],
  ['a quantity that is none', { host, resources: { limits: { memory: 'much' } } }, /spec\.resources\.limits\.memory/],
  [
    'a label that selects the pods',
    { host, podLabels: { 'app.kubernetes.io/name': 'x' } },
    /spec\.podLabels cannot set/,
  ],
  ['storage of no kind', { host, storage: {} }, /spec\.storage needs exactly one of filesystem and s3/],
  ['storage of both kinds', { host, storage: { filesystem: {}, s3 } }, /spec\.storage needs exactly one/],
  ['a size without meaning', filesystem({ size: '20 GB' }), /spec\.storage\.filesystem\.size must be a quantity/],
  ['a size that forgot its unit', filesystem({ size: '20' }), /spec\.storage\.filesystem\.size must be at least 64Mi/],
  ['a size that is a number', filesystem({ size: 20 }), /spec\.storage\.filesystem\.size/],
  [
    'a size for a claim that exists',
    filesystem({ existingClaim: 'images', size: '1Gi' }),
    /takes existingClaim, or size/,
  ],
  [
    'a name of a class that cannot be',
    filesystem({ storageClassName: 'Fast!' }),
    /spec\.storage\.filesystem\.storageClassName/,
  ],
  ['a bucket without a name', { host, storage: { s3: { region: 'x' } } }, /spec\.storage\.s3\.bucket: Required/],
  [
    'a bucket nowhere',
    { host, storage: { s3: { bucket: 'images' } } },
    /spec\.storage\.s3 needs region .* or endpoint/,
  ],
  [
    'a store of another protocol',
    { host, storage: { s3: { ...s3, endpoint: 'ftp://a' } } },
    /spec\.storage\.s3\.endpoint/,
  ],
  [
    'credentials in the URL of a store',
    { host, storage: { s3: { ...s3, endpoint: 'https://u:p@a' } } },
    /spec\.storage\.s3\.endpoint/,
  ],
  [
    'a class that cannot be read at once',
    { host, storage: { s3: { ...s3, storageClass: 'GLACIER' } } },
    /storageClass cannot be GLACIER/,
  ],
  [
    'a key for an algorithm without',
    { host, storage: { s3: { ...s3, serverSideEncryption: { algorithm: 'AES256', kmsKeyID: 'k' } } } },
    /kmsKeyID goes with/,
  ],
  [
    'a signed URL for a day',
    { host, storage: { s3: { ...s3, redirects: { mode: 'Presigned', expiry: '24h' } } } },
    /redirects\.expiry must be from 10s to 1h/,
  ],
  ['an authority that is no PEM', { host, storage: { s3: { ...s3, caBundle: 'x' } } }, /spec\.storage\.s3\.caBundle/],
  ['metadata of both kinds', { host, metadata: { sqlite: {}, postgres } }, /spec\.metadata needs exactly one/],
  [
    'PostgreSQL without a Secret',
    { host, metadata: { postgres: {} } },
    /spec\.metadata\.postgres\.secretRef: Required/,
  ],
  ['an unknown type of Service', service({ type: 'ExternalName' }), /spec\.expose\.service\.type/],
  [
    'a node port on a cluster address',
    service({ nodePort: 30500 }),
    /spec\.expose\.service\.nodePort needs type NodePort/,
  ],
  [
    'a traffic policy on a cluster address',
    service({ externalTrafficPolicy: 'Local' }),
    /externalTrafficPolicy needs type/,
  ],
  [
    'Ingress and Gateway',
    { host, expose: { ingress: {}, gateway: { parentRefs: [{ name: 'g' }] } } },
    /spec\.expose takes ingress or gateway/,
  ],
  ['a Gateway of no name', { host, expose: { gateway: { parentRefs: [] } } }, /spec\.expose\.gateway\.parentRefs/],
  [
    'a proxy that is no address',
    { host, trustedProxies: ['proxy.bank.example'] },
    /spec\.trustedProxies must hold addresses or CIDRs/,
  ],
  ['a CIDR past its size', { host, trustedProxies: ['10.0.0.0/33'] }, /spec\.trustedProxies must hold/],
  ['an octet past 255', { host, trustedProxies: ['10.0.0.256'] }, /spec\.trustedProxies must hold/],
  [
    'a CIDR past its size, of version 6',
    { host, trustedProxies: ['2001:db8::/129'] },
    /spec\.trustedProxies must hold/,
  ],
  ['the PROXY protocol from anybody', { host, proxyProtocol: true }, /spec\.proxyProtocol needs spec\.trustedProxies/],
  [
    'two certificates',
    { host, tls: { secretName: 'a', certManager: { issuerRef: { name: 'b' } } } },
    /spec\.tls takes at most one/,
  ],
  ['a certificate for plain HTTP', { host, tls: { secretName: 'a', disabled: true } }, /spec\.tls takes at most one/],
  ['an old TLS', { host, tls: { minVersion: 'TLSv1.1' } }, /spec\.tls\.minVersion/],
  ['an unknown node access', { host, nodeAccess: { mode: 'Force' } }, /spec\.nodeAccess\.mode/],
  ['a relative folder on nodes', { host, nodeAccess: { configPath: 'certs.d' } }, /spec\.nodeAccess\.configPath/],
  [
    'a folder on nodes that climbs',
    { host, nodeAccess: { configPath: '/etc/../root' } },
    /spec\.nodeAccess\.configPath must be a plain absolute path/,
  ],
  ['anonymous pushes', { host, auth: { anonymous: 'Push' } }, /spec\.auth\.anonymous/],
  ['users without a Secret', { host, auth: { htpasswd: {} } }, /spec\.auth\.htpasswd\.secretRef: Required/],
  ['a token of ten seconds', { host, auth: { tokenTTL: '10s' } }, /spec\.auth\.tokenTTL must be from 60s/],
  ['a token without a unit', { host, auth: { tokenTTL: '300' } }, /spec\.auth\.tokenTTL/],
  [
    'an issuer without TLS',
    { host, auth: { oidc: { issuerURL: 'http://a', clientID: 'c' } } },
    /spec\.auth\.oidc\.issuerURL/,
  ],
  ['small manifests only', { host, limits: { manifestSize: '1Mi' } }, /spec\.limits\.manifestSize must be from 4Mi/],
  ['no uploads', { host, limits: { uploadSize: '0' } }, /spec\.limits\.uploadSize must be more than 0/],
  [
    'a project twice',
    {
      host,
      quota: [
        { project: 'a', size: '1Gi' },
        { project: 'a', size: '2Gi' },
      ],
    },
    /spec\.quota\[1\]: Duplicate/,
  ],
  ['immutable tags of none', { host, immutableTags: [{ project: 'a', tags: [] }] }, /spec\.immutableTags\[0\]\.tags/],
  ['a schedule that is none', { host, reclaim: { schedule: 'every night' } }, /spec\.reclaim\.schedule/],
  ['a backup to nowhere', { host, backup: { target: {} } }, /spec\.backup\.target needs exactly one/],
  [
    'a peer of two kinds',
    from({ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }),
    /spec\.networkPolicy\.from needs ipBlock alone/,
  ],
  ['a peer of no kind', from({}), /spec\.networkPolicy\.from needs/],
  [
    'a block that is none',
    from({ ipBlock: { cidr: '10.0.0.0' } }),
    /spec\.networkPolicy\.from\.ipBlock\.cidr must be a CIDR/,
  ],
  [
    'an exception that is none',
    from({ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0'] } }),
    /spec\.networkPolicy\.from\.ipBlock\.except must hold CIDRs/,
  ],
  [
    'two sources of keys',
    {
      host,
      auth: { serviceAccounts: { issuers: [{ name: 'b', issuer: 'https://a', jwks: '{}', jwksURL: 'https://a/k' }] } },
    },
    /issuers takes jwks or jwksURL/,
  ],
  [
    'a backup in a bucket nowhere',
    { host, backup: { target: { s3: { bucket: 'backup' } } } },
    /spec\.backup\.target\.s3 needs region/,
  ],
  [
    'a version of TLS for plain HTTP',
    { host, tls: { disabled: true, minVersion: 'TLSv1.3' } },
    /spec\.tls\.minVersion has no meaning/,
  ],
  [
    'both ends of a disruption budget',
    { host, pdb: { minAvailable: 1, maxUnavailable: 1 } },
    /spec\.pdb needs exactly one/,
  ],
  ['an unknown deletion policy', { host, deletionPolicy: 'Orphan' }, /spec\.deletionPolicy.*"Retain"/],
  ['a log level that is none', { host, logging: { level: 'verbose' } }, /spec\.logging\.level/],
];

const claim = filesystem({ existingClaim: 'images' });
const fast = filesystem({ storageClassName: 'fast' });

/** What changes, the spec before and after, and what the API server says to it. */
export const refusedChanges: [string, unknown, unknown, RegExp][] = [
  ['from a file system to a bucket', { host }, { host, storage: { s3 } }, /spec\.storage cannot change between/],
  ['from a bucket to a file system', { host, storage: { s3 } }, { host }, /spec\.storage cannot change between/],
  [
    'to another bucket',
    { host, storage: { s3 } },
    { host, storage: { s3: { ...s3, bucket: 'other' } } },
    /spec\.storage\.s3\.bucket cannot change/,
  ],
  [
    'to another prefix',
    { host, storage: { s3 } },
    { host, storage: { s3: { ...s3, prefix: 'a' } } },
    /spec\.storage\.s3\.prefix cannot change/,
  ],
  ['from SQLite to PostgreSQL', { host }, { host, metadata: { postgres } }, /spec\.metadata cannot change between/],
  ['from PostgreSQL to SQLite', { host, metadata: { postgres } }, { host }, /spec\.metadata cannot change between/],
  [
    'from three replicas on stores to none',
    { host, replicas: 3, storage: { s3 }, metadata: { postgres } },
    { host, replicas: 3 },
    /spec\.replicas above 1 needs/,
  ],
  ['to another claim', claim, filesystem({ existingClaim: 'other' }), /existingClaim cannot change/],
  ['to a claim that exists', { host }, claim, /existingClaim cannot change/],
  ['from a claim that exists', claim, { host }, /existingClaim cannot change/],
  ['to another class', fast, filesystem({ storageClassName: 'slow' }), /storageClassName cannot change/],
  ['to the default class', fast, { host }, /storageClassName cannot change/],
  ['to a smaller volume', filesystem({ size: '100Gi' }), filesystem({ size: '99Gi' }), /size cannot become smaller/],
  ['to a volume smaller than the default', { host }, filesystem({ size: '10Gi' }), /size cannot become smaller/],
  ['to the default, which is smaller', filesystem({ size: '21Gi' }), { host }, /size cannot become smaller/],
];
