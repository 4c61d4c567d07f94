/** Specs of the other two kinds that the API server has to refuse: what is wrong, the spec, and what it says. */
export const source = 'ghcr.io/myorg/app';
export const targets = ['registry.example.com/myorg/app'];
export const rule = (settings: object) => ({ source, targets, ...settings });

export const refusedRules: [string, unknown, RegExp][] = [
  ['no source', { targets }, /spec\.source: Required value/],
  ['no target', { source }, /spec\.targets: Required value/],
  ['an empty list of targets', { source, targets: [] }, /spec\.targets/],
  ['a URL for a source', rule({ source: 'https://ghcr.io/myorg/app' }), /spec\.source must be host\[:port\]\/path/],
  ['a tag in the source', rule({ source: 'ghcr.io/myorg/app:v1' }), /spec\.source must be host\[:port\]\/path/],
  ['a source without a path', rule({ source: 'ghcr.io' }), /spec\.source must be host\[:port\]\/path/],
  [
    'a pattern in a target',
    rule({ targets: ['registry.example.com/*'] }),
    /spec\.targets must hold host\[:port\]\/path/,
  ],
  ['a copy onto itself', rule({ targets: [source] }), /spec\.targets must not hold spec\.source/],
  ['a target twice', rule({ targets: [...targets, ...targets] }), /spec\.targets\[1\]: Duplicate/],
  ['a host twice', rule({ connections: [{ host: 'a.b' }, { host: 'a.b' }] }), /spec\.connections\[1\]: Duplicate/],
  [
    'an authority for plain HTTP',
    rule({ connections: [{ host: 'a.b', insecure: true, caBundle: '-----BEGIN CERTIFICATE-----' }] }),
    /spec\.connections takes caBundle or insecure/,
  ],
  [
    'a password in the URL of a proxy',
    rule({ connections: [{ host: 'a.b', proxy: 'http://u:p@proxy' }] }),
    /spec\.connections\[0\]\.proxy/,
  ],
  ['a platform that is none', rule({ select: { platforms: ['linux'] } }), /spec\.select\.platforms\[0\]/],
  ['no newest tag', rule({ select: { tags: { newest: 0 } } }), /spec\.select\.tags\.newest/],
  ['a schedule of four fields', rule({ schedule: '0 * * *' }), /spec\.schedule/],
  ['a time zone for nothing', rule({ timeZone: 'Asia/Shanghai' }), /spec\.timeZone has no meaning/],
  ['half a window', rule({ triggers: { window: { start: '22:00' } } }), /spec\.triggers\.window\.end: Required/],
  [
    'an hour that is none',
    rule({ triggers: { window: { start: '24:00', end: '01:00' } } }),
    /spec\.triggers\.window\.start/,
  ],
  [
    'a limit on deletions that never happen',
    rule({ deletion: { maxPerRun: 3 } }),
    /spec\.deletion\.maxPerRun and delay have no meaning/,
  ],
  ['an unknown answer to conflicts', rule({ onConflict: 'Merge' }), /spec\.onConflict/],
  ['bytes without a unit', rule({ transfer: { bandwidth: '50' } }), /spec\.transfer\.bandwidth must be at least 1Ki/],
  ['bandwidth in words', rule({ transfer: { bandwidth: '50 MB/s' } }), /spec\.transfer\.bandwidth/],
  [
    'waits in the wrong order',
    rule({ retry: { minInterval: '10m', maxInterval: '1m' } }),
    /spec\.retry\.minInterval must be no longer/,
  ],
  ['an unknown field', rule({ target: 'a.b/c' }), /unknown field "spec\.target"/],
];

const repositories = { include: ['team-a/**'] };
export const policy = (settings: object) => ({ repositories, ...settings });
export const byCount = { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 5 };
export const byAge = { tagStatus: 'any', countType: 'sinceImagePushed', countUnit: 'days', countNumber: 5 };
export const lifecycle = (...rules: object[]) =>
  policy({ rules: rules.map((one, at) => ({ rulePriority: at + 1, action: { type: 'expire' }, ...one })) });
export const selecting = (selection: object) => lifecycle({ selection: { ...byCount, ...selection } });
const one = { rulePriority: 1, selection: byCount, action: { type: 'expire' } };

export const refusedPolicies: [string, unknown, RegExp][] = [
  ['no repositories', { rules: [one] }, /spec\.repositories: Required value/],
  ['repositories of none', { repositories: { include: [] }, rules: [one] }, /spec\.repositories\.include/],
  [
    'a repository with a tag',
    { repositories: { include: ['a:v1'] }, rules: [one] },
    /spec\.repositories\.include\[0\]/,
  ],
  ['neither rules nor text', policy({}), /spec needs exactly one of rules and lifecyclePolicyText/],
  [
    'rules and text',
    policy({ rules: [one], lifecyclePolicyText: '{}' }),
    /spec needs exactly one of rules and lifecyclePolicyText/,
  ],
  ['a text past the limit of ECR', policy({ lifecyclePolicyText: ' '.repeat(30_721) }), /spec\.lifecyclePolicyText/],
  [
    'a priority twice (V1)',
    policy({ rules: [one, { ...one, selection: { ...byAge, tagStatus: 'untagged' } }] }),
    /spec\.rules has two rules with the same rulePriority/,
  ],
  ['priority zero (V1)', policy({ rules: [{ ...one, rulePriority: 0 }] }), /spec\.rules\[0\]\.rulePriority/],
  [
    'tagged without tags (V2)',
    selecting({ tagStatus: 'tagged' }),
    /needs exactly one of tagPatternList and tagPrefixList/,
  ],
  [
    'tagged with both lists (V2)',
    selecting({ tagStatus: 'tagged', tagPatternList: ['a'], tagPrefixList: ['a'] }),
    /needs exactly one of tagPatternList/,
  ],
  [
    'an empty list (V2)',
    selecting({ tagStatus: 'tagged', tagPatternList: [] }),
    /spec\.rules\[0\]\.selection\.tagPatternList/,
  ],
  [
    'untagged with tags (V2)',
    selecting({ tagStatus: 'untagged', tagPrefixList: ['a'] }),
    /takes neither tagPatternList nor tagPrefixList/,
  ],
  [
    'five stars (V3)',
    selecting({ tagStatus: 'tagged', tagPatternList: ['*a*b*c*d*'] }),
    /at most four \* in a pattern/,
  ],
  ['a count of zero (V4)', selecting({ countNumber: 0 }), /spec\.rules\[0\]\.selection\.countNumber/],
  [
    'an age without a unit (V4)',
    lifecycle({ selection: { ...byCount, countType: 'sinceImagePushed' } }),
    /selection\.countUnit must be days/,
  ],
  ['a count with a unit (V4)', selecting({ countUnit: 'days' }), /selection\.countUnit must be days/],
  [
    'a unit that ECR does not have (V4)',
    lifecycle({ selection: { ...byAge, countUnit: 'hours' } }),
    /spec\.rules\[0\]\.selection\.countUnit/,
  ],
  [
    'any before the last (V5)',
    lifecycle({ selection: byCount }, { selection: { ...byAge, tagStatus: 'untagged' } }),
    /whose selection\.tagStatus is any needs the largest rulePriority/,
  ],
  [
    'untagged twice (V6)',
    lifecycle({ selection: { ...byAge, tagStatus: 'untagged' } }, { selection: { ...byCount, tagStatus: 'untagged' } }),
    /two rules whose selection\.tagStatus is untagged/,
  ],
  [
    'an archive younger than 90 days (V7)',
    lifecycle({ selection: { ...byAge, countType: 'sinceImageTransitioned', storageClass: 'archive' } }),
    /sinceImageTransitioned needs storageClass archive and a countNumber/,
  ],
  [
    'a second transition (V7)',
    lifecycle({
      selection: { ...byAge, countType: 'sinceImageTransitioned', storageClass: 'archive', countNumber: 90 },
      action: { type: 'transition', targetStorageClass: 'archive' },
    }),
    /sinceImageTransitioned needs action\.type expire/,
  ],
  [
    'a transition to nowhere (V7)',
    lifecycle({ selection: byAge, action: { type: 'transition' } }),
    /action\.targetStorageClass goes with type transition/,
  ],
  ['an unknown field (V8)', selecting({ countNumbr: 3 }), /unknown field "spec\.rules\[0\]\.selection\.countNumbr"/],
  ['half an image (V8)', selecting({ countNumber: 1.5 }), /spec\.rules\[0\]\.selection\.countNumber/],
  ['a number past 2^53 (V8)', selecting({ countNumber: 2 ** 53 }), /spec\.rules\[0\]\.selection\.countNumber/],
  [
    'approval without asking for it',
    { ...lifecycle({ selection: byCount }), approvedPlan: `sha256:${'0'.repeat(64)}` },
    /spec\.approvedPlan has no meaning without mode: Approve/,
  ],
  [
    'approval of no hash',
    { ...lifecycle({ selection: byCount }), mode: 'Approve', approvedPlan: 'yes' },
    /spec\.approvedPlan/,
  ],
  ['an unknown mode', { ...lifecycle({ selection: byCount }), mode: 'Force' }, /spec\.mode/],
  ['days in words', { ...lifecycle({ selection: byCount }), restoreWindow: 'three days' }, /spec\.restoreWindow/],
];
