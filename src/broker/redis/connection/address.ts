/**
 * Reads a Redis address: redis://, rediss:// (TLS), redis+unix:// and unix:// (socket), user, password, db number.
 * Gives ioredis' options and the address without secrets, which is all that logs and /status may show.
 */
import { isIP } from "node:net";
import type { RedisOptions } from "ioredis";
import { readText, UnreadableFileError } from "../../../runtime/files/read-text.ts";
import { BrokerUrlError } from "../../broker-url-error.ts";

/** The db that RagFlow's streams live in. */
export const DEFAULT_DB = 1;

export interface RedisAddress {
  readonly options: RedisOptions;
  /** The address without user and password. */
  readonly display: string;
}

/**
 * Reads an address.
 *
 * @throws BrokerUrlError when it is not a Redis address; the message shows no password.
 */
export function parseRedisAddress(address: string): RedisAddress {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw new BrokerUrlError("the Redis address cannot be read; expected redis://[user:password@]host[:port][/db]");
  }
  if (url.hash !== "" || address.includes("#")) {
    throw new BrokerUrlError('the Redis address cannot be read: a "#" in a user, password or path is written %23');
  }
  const credentials = {
    ...(url.username === "" ? {} : { username: decoded(url.username) }),
    ...(url.password === "" ? {} : { password: decoded(url.password) }),
  };
  if (url.protocol === "unix:" || url.protocol === "redis+unix:") {
    if (url.pathname.includes("@")) {
      throw new BrokerUrlError('the unix socket address cannot be read: an "@" in a path is written %40');
    }
    const path = decoded(url.pathname);
    if (path === "" || path === "/") {
      throw new BrokerUrlError("the unix socket address has no path; expected unix:///path/to/redis.sock[?db=1]");
    }
    checkParameters(url, ["db", "username", "password"]);
    const db = readDb(url.searchParams.get("db") ?? "");
    // The part before the path has no place for them where there is no host.
    const [username, password] = [url.searchParams.get("username"), url.searchParams.get("password")];
    const options = { path, db, ...(username && { username }), ...(password && { password }) };
    return { options, display: `unix://${path}?db=${db}` };
  }
  checkParameters(url, url.protocol === "rediss:" ? ["ca", "insecure"] : []);
  const host = url.hostname === "" ? "127.0.0.1" : url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = url.port === "" ? 6379 : Number(url.port);
  const db = readDb(url.pathname.replace(/^\//, ""));
  const tls = url.protocol === "rediss:" ? { tls: tlsOptions(url, host) } : {};
  return {
    options: { host, port, db, ...credentials, ...tls },
    display: `${url.protocol}//${url.hostname === "" ? host : url.hostname}:${port}/${db}`,
  };
}

/** A misspelt parameter must not be one that silently does nothing. */
function checkParameters(url: URL, known: readonly string[]): void {
  for (const name of new Set(url.searchParams.keys())) {
    if (known.includes(name) && url.searchParams.getAll(name).length === 1) continue;
    const allowed = known.length === 0 ? "takes none" : `takes ${known.join(", ")}, each once`;
    throw new BrokerUrlError(`the address ${url.protocol}// ${allowed} behind the "?", got ${plain(url, name)}`);
  }
  const insecure = url.searchParams.get("insecure");
  if (insecure === null || insecure === "0" || insecure === "1") return;
  throw new BrokerUrlError(
    `insecure in the Redis address must be 1 (trust any certificate) or 0, got ${plain(url, insecure)}`,
  );
}

/**
 * A part of the query for an error; with an "@" somewhere behind the "?", what stands there is the rest of a password.
 */
function plain(url: URL, part: string): string {
  return /^\w{1,30}$/.test(part) && !url.search.includes("@") ? `"${part}"` : "other text";
}

/** `?ca=FILE` names the authority to trust, `?insecure=1` trusts any certificate (a choice that the user must make). */
function tlsOptions(url: URL, host: string): NonNullable<RedisOptions["tls"]> {
  const ca = url.searchParams.get("ca");
  return {
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === null ? {} : { ca: readCa(ca) }),
    ...(url.searchParams.get("insecure") === "1" ? { rejectUnauthorized: false } : {}),
  };
}

function readCa(path: string): string {
  const shown = path.includes("@") ? "its path is not shown, since it may be the rest of a password" : path;
  let text: string;
  try {
    ({ text } = readText(path));
  } catch (error) {
    if (!(error instanceof UnreadableFileError)) throw error;
    throw new BrokerUrlError(
      `the file that ca= names cannot be read: ${error.code ?? "refused"}: ${error.message}: ${shown}`,
    );
  }
  if (/^-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/m.test(text)) return text;
  throw new BrokerUrlError(`the file that ca= names holds no certificate (PEM): ${shown}`);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new BrokerUrlError('the Redis address cannot be read: a "%" in a user, password or path is written %25');
  }
}

function readDb(text: string): number {
  if (text === "") return DEFAULT_DB;
  if (/^\d{1,5}$/.test(text)) return Number(text);
  // What stands before that @ is the rest of a password.
  const came = /^[\w.-]{1,40}$/.test(text) ? `"${text}"` : 'other text; a "/" in a password is written %2F';
  throw new BrokerUrlError(`the Redis db must be a number from 0, got ${came}`);
}
