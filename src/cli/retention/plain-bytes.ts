/** Of each byte, 1 where it stands for itself in a string: no escape, no end, nothing past ASCII. */
const standsForItself = Uint8Array.from({ length: 256 }, (_, code) =>
  Number(code >= 0x20 && code < 0x80 && code !== 0x22 && code !== 0x5c),
);

/**
 * Where the first byte lies that does not stand for itself in a string. One has to follow, and three more bytes behind it.
 * @param words the same bytes
 */
export function endOfPlain(bytes: Uint8Array, words: DataView, start: number): number {
  let at = endOfPlainWords(words, start);
  while (standsForItself[bytes[at] ?? 0] === 1) at++;
  return at;
}

/** Where the first four bytes lie of which one may not stand for itself. */
function endOfPlainWords(view: DataView, start: number): number {
  let at = start;
  for (;;) {
    const word = view.getInt32(at, true);
    // The highest bit of a byte that is 0 before is set by the subtraction; what a byte borrows, it borrows from the next.
    const quotes = (word ^ 0x22222222) - 0x01010101;
    const backslashes = (word ^ 0x5c5c5c5c) - 0x01010101;
    if (((quotes | backslashes | (word - 0x20202020) | word) & 0x80808080) !== 0) return at;
    at += 4;
  }
}
