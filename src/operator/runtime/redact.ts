/** What a secret looks like in a text, and what to show of it. A last line of defence: nobody should put one there. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, '[private key]'],
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, '[token]'],
  // With a digit or a sign in it: `Basic authentication` is no secret.
  [/\b(Bearer|Basic)\s+(?=\S*[\d+/=])[\w+/=.~-]{8,}/gi, '$1 [redacted]'],
  [/(\w+:\/\/[^\s/:@]*):[^\s/@]+@/g, '$1:[redacted]@'],
  [/\b(password|passwd)(["']?\s*[:=]\s*)("[^"]*"|'[^']*'|[^\s,;"'}]+)/gi, '$1$2[redacted]'],
  [/\b(token|secret|api[-_]?key|secret[-_]?access[-_]?key)=("[^"]*"|'[^']*'|[^\s,;&"'}]+)/gi, '$1=[redacted]'],
];

/** The text with whatever looks like a secret left out. */
export function redact(text: string): string {
  return SECRETS.reduce((left, [pattern, shown]) => left.replace(pattern, shown), text);
}
