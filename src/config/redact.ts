/**
 * Takes passwords out of texts before anybody sees them: out of every address in a text by its form, and wherever the
 * secrets of this process's own broker address stand. A value that was refused is shown only where it cannot hold one.
 */
import { schemes } from "../broker/drivers.ts";
import { cutText } from "../runtime/cut-text.ts";

/** The schemes of addresses that can hold a password, up to the colon, for a pattern. */
const SECRET_SCHEMES = `(?:${schemes("secretSchemes")
  .map((scheme) => scheme.replace(/[+.]/g, String.raw`\$&`))
  .join("|")})`;

// A password may hold "@" and "/" as it was typed, so everything up to the last "@" of the word goes. What our own
// errors and help say of the form of an address, letter by letter, is no password. Of the schemes that are ours slashes
// may be missing. Every part has a bound: from each place at which an address may begin, only so far is looked.
const ANY_SCHEME = new RegExp(String.raw`\b(${SECRET_SCHEMES}\/{0,3}|[a-zA-Z][a-zA-Z0-9+.-]{0,30}:\/\/)`);
const NO_EXAMPLE = /(?!\[user:password@\]|USER:PASSWORD@HOST\b)/;
const USER = /(?:[^\s/@:]{0,512}:[^\s"']{0,512}|[^\s/@]{1,512})@/;
const CREDENTIALS = new RegExp(ANY_SCHEME.source + NO_EXAMPLE.source + USER.source, "g");
/** An address whose scheme was forgotten: `:s3cret@host:6379`. */
const WITHOUT_SCHEME = /(?<![\w./*\]-])[\w.-]{0,255}:[^\s"'/:][^\s"']{0,512}@(?=[\w.-]+:\d)/g;
const QUERY_SECRET = /([?&](?:password|pass|token|secret|auth)=)[^&\s]+/gi;

/** Nothing in such a value can be a secret: an address without user and query, a name, a number. */
const HARMLESS_ADDRESS = /^(?:[a-z+]{1,12}:\/\/)?(?:[\w.-]+|\[[0-9a-f:.]*\])(?::\d{1,5})?(?:\/\d{0,5})?$/i;
/** What is looked for in a value to decide that it may be an address with a secret. */
const SUSPICIOUS = new RegExp(String.raw`@|:\/|^${SECRET_SCHEMES}|password=|pass=|token=|secret=|auth=`, "i");

/** How an address begins, up to what may be its user. */
const SCHEME = new RegExp(String.raw`^[a-z][a-z0-9+.-]*:\/{1,3}|^${SECRET_SCHEMES}`, "i");

/** Shorter ones are no secrets, and would make holes in every text. */
const SHORTEST_SECRET = 4;
/** Words of our own texts: who has one of them for a password has none. */
const OUR_WORDS = /^(taskexe|broker|common|default|localhost|password|pass|user|task|queue)$/i;
/** A path behind the scheme, and nothing that could be a secret. */
const HARMLESS_PATH = new RegExp(`^(?:${schemes("pathSchemes").join("|")})[^@?]*$`, "i");
/** One process has one broker and a few endpoints; a program with more clients has few. */
const MOST_SECRETS = 1_000;

const secrets = new Set<string>();

/**
 * The same text with `user:password@` of every address in it, secrets in a query, and known secrets replaced by `***`.
 *
 * @param most - cut it to so many characters, before anything but the known secrets is looked for.
 */
export function redact(text: string, most = Number.POSITIVE_INFINITY): string {
  const shown = cutSafely(text, most);
  // Most lines have neither; the two look-ups cost less than the replacements.
  if (!shown.includes("@") && !shown.includes("=")) return shown;
  return shown.replace(CREDENTIALS, "$1***@").replace(WITHOUT_SCHEME, "***@").replace(QUERY_SECRET, "$1***");
}

/** The text cut to `most` characters; known secrets go before, lest a half of one is left. */
export function cutSafely(text: string, most: number): string {
  let shown = text;
  // The longest first, as one may be a part of another.
  for (const secret of secrets) if (shown.includes(secret)) shown = shown.replaceAll(secret, "***");
  return cutText(shown, most);
}

/** From now on the secrets of this address are taken out of every text, in whatever form they come. */
export function keepSecretsOf(address: string): void {
  keepSecrets(secretsOf(address));
}

/** The same of secrets that stand alone. */
export function keepSecrets(given: readonly string[]): void {
  const found = given.filter((secret) => secret.length >= SHORTEST_SECRET && !isOurWord(secret));
  const all = [...new Set([...secrets, ...found])].slice(-MOST_SECRETS).sort((a, b) => b.length - a.length);
  secrets.clear();
  for (const secret of all) secrets.add(secret);
}

/** Whether an address has a password in it. */
export function holdsPassword(address: string): boolean {
  return secretsOf(address).length > 0;
}

/** A value for an error: as JSON, or only its scheme where it may be an address with a secret in it. */
export function shownValue(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  if (SUSPICIOUS.test(typeof value === "string" ? value : text) && !isHarmless(value)) {
    const [scheme, host] = typeof value === "string" ? endsOf(value) : ["", ""];
    return `"${scheme}***${host}" (not shown whole, since it may hold a password)`;
  }
  return text.length > 120 ? `${text.slice(0, 120)}...` : text;
}

/** What may be shown of an address: its scheme, and the host where it stands behind all that may be a password. */
function endsOf(address: string): readonly [scheme: string, host: string] {
  const scheme = /^[a-z+]{1,12}:\/\//i.exec(address)?.[0] ?? "";
  const host = /[?#]/.test(address) ? undefined : /@[\w.-]+(?::\d{1,5})?(?:\/\d{0,5})?$/.exec(address)?.[0];
  return [scheme, host ?? ""];
}

/** A name that was mistyped, for an error: as it is, or as {@link shownValue} where it is no name. */
export function shownName(name: string): string {
  return /^[\w.-]{1,60}$/.test(name) ? name : shownValue(name);
}

function isOurWord(secret: string): boolean {
  return OUR_WORDS.test(secret) || schemes().includes(`${secret.toLowerCase()}:`);
}

function isHarmless(value: unknown): boolean {
  if (typeof value !== "string") return false;
  return HARMLESS_ADDRESS.test(value) || HARMLESS_PATH.test(value);
}

/** Every part of an address that may be a secret, as it was typed and as it is meant. */
function secretsOf(address: string): string[] {
  const found: string[] = [];
  for (const [, value = ""] of address.matchAll(/[?&](?:password|pass|token|secret|auth)=([^&#]*)/gi))
    found.push(value);
  const end = address.lastIndexOf("@");
  if (end >= 0) {
    const before = address.slice(0, end).replace(SCHEME, "");
    const colon = before.indexOf(":");
    if (colon >= 0) found.push(before.slice(colon + 1));
  }
  return found
    .flatMap((secret) => [secret, meant(secret), encodeURIComponent(meant(secret))])
    .filter((one) => one !== "");
}

function meant(secret: string): string {
  try {
    return decodeURIComponent(secret);
  } catch {
    return secret;
  }
}
