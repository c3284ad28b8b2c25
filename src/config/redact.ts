/** Takes passwords out of addresses before anybody sees them. Used for errors and for every log line. */

// A password may hold "@" and "/" as it was typed, so everything up to the last "@" of the word goes. What our own
// errors and help say of the form of an address, letter by letter, is no password.
const CREDENTIALS =
  /\b([a-zA-Z][a-zA-Z0-9+.-]*:\/\/)(?!\[user:password@\]|USER:PASSWORD@HOST\b)(?:[^\s/@:]*:[^\s"']*|[^\s/@]+)@/g;
const QUERY_SECRET = /([?&](?:password|pass|token|secret|auth)=)[^&\s]+/gi;

/** The same text with `user:password@` of every address in it, and secrets in a query, replaced by `***`. */
export function redact(text: string): string {
  // Most lines have neither; the two look-ups cost less than the two replacements.
  if (!text.includes("@") && !text.includes("=")) return text;
  return text.replace(CREDENTIALS, "$1***@").replace(QUERY_SECRET, "$1***");
}
