/** Request targets as RFC 9112 §3.2 writes them. Pure. */

const absolute = /^https?:\/\/([^/?#]*)(.*)$/is;

/**
 * Splits a target in absolute form (`GET http://host/v2/ HTTP/1.1`), which every server must understand (RFC 9112 §3.2.2).
 * @returns undefined where it is in another form
 */
export function absoluteTarget(target: string): { authority: string; path: string } | undefined {
  const match = target.startsWith('/') ? null : absolute.exec(target);
  if (match === null) return undefined;
  const [, authority = '', rest = ''] = match;
  return { authority, path: rest.startsWith('/') ? rest : `/${rest}` };
}
