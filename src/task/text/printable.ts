/**
 * Makes text harmless for a terminal: whatever could steer it, reorder what stands beside it, or be there unseen is
 * written out as `\u001b`. Imports nothing, so that the version is answered at once.
 */

// A joiner between two characters beyond ASCII belongs to the spelling of many scripts and of emoji; others are hidden.
// Then: control characters (C0, DEL, C1), what formats (direction, zero width, tags), line and paragraph separators,
// halves of characters.
const UNSAFE =
  /(?<![^\0-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\0-\x7f])|(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
/** Nearly every text has nothing but these. */
const HARMLESS = /^[\x20-\x7e]*$/;

/** The text with all of that written out; with `lines`, line ends and tabs stay. */
export function printable(text: string, keep?: "lines"): string {
  if (HARMLESS.test(text)) return text;
  return text.replace(UNSAFE, (character) =>
    keep === "lines" && (character === "\n" || character === "\t") ? character : escaped(character),
  );
}

function escaped(character: string): string {
  let text = "";
  for (let at = 0; at < character.length; at++) {
    text += `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`;
  }
  return text;
}
