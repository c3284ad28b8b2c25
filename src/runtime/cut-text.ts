/**
 * Long texts are cut before anything reads them: what a handler logs may be a document. A cut leaves no half of a word,
 * since half an address may be one whose password is not known for one any more.
 */

/** The longest text that a line of the log shows, in UTF-16 units. */
export const MAX_SHOWN_TEXT = 8 * 1024;
/** The longest line of the log, before it is written as JSON or made printable; in UTF-16 units. */
export const MAX_SHOWN_LINE = 64 * 1024;

/** Words that are longer than any address are no addresses. */
const LONGEST_WORD = 2_048;

/** The text, or its beginning up to the end of a word, with how much is left out. */
export function cutText(text: string, most = MAX_SHOWN_TEXT): string {
  if (text.length <= most) return text;
  let end = most;
  while (end > most - LONGEST_WORD && text.charCodeAt(end - 1) > 0x20) end--;
  const kept = text.slice(0, end > most - LONGEST_WORD ? end : most).toWellFormed();
  return `${kept}... (${text.length - kept.length} characters more)`;
}
