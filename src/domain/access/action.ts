/** What can be done to a repository or a registry; policies name these. */
export const actions = [
  'Pull',
  'PushBlob',
  'CreateTag',
  'OverwriteTag',
  'DeleteTag',
  'DeleteManifest',
  'Mount',
  'AttachReferrer',
  'Replicate',
  'ReadAudit',
  'List',
  'Admin',
] as const;

export type Action = (typeof actions)[number];
