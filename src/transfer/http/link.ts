const closings: Readonly<Record<string, string>> = { '<': '>', '"': '"' };
const targetPattern = /^[ \t]*<([^<>]{0,8192})>/;

/**
 * The target of the `rel="next"` link of a `Link` header (RFC 8288), as it was written, or undefined.
 * Splits on commas outside `<>` and quotes; linear in the length of the header.
 */
export function nextLink(header: string | undefined): string | undefined {
  if (header === undefined || header.length > 16_384) return undefined;
  for (const link of splitLinks(header)) {
    const match = targetPattern.exec(link);
    if (match === null) continue;
    const rest = link.slice(match[0].length);
    const relation = /;[ \t]*rel[ \t]*=[ \t]*(?:"([^"]*)"|([^\s";,]+))/i.exec(rest);
    const relations = (relation?.[1] ?? relation?.[2] ?? '').toLowerCase().split(/\s+/);
    if (relations.includes('next')) return match[1];
  }
  return undefined;
}

function splitLinks(header: string): string[] {
  const links: string[] = [];
  let start = 0;
  let closing: string | undefined;
  for (let at = 0; at < header.length; at++) {
    const character = header[at] as string;
    if (closing !== undefined) {
      if (character === closing) closing = undefined;
      continue;
    }
    closing = closings[character];
    if (character !== ',') continue;
    links.push(header.slice(start, at));
    start = at + 1;
  }
  links.push(header.slice(start));
  return links;
}
