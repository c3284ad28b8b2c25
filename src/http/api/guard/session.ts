/**
 * The sessions of browsers that have shown a token: a cookie that no script and no other site can use. It holds a
 * random name, of which only the digest is kept here, with whose token it was: nothing of the token is in it. A session
 * ends after 12 hours, when it is signed out, with its token, and with the executor.
 */
import { createHash, randomBytes } from "node:crypto";
import type { TokenEntry } from "./tokens-file.ts";

/** How long a browser stays signed in, in ms. */
const SESSION_MS = 12 * 3_600_000;
/** How many there are; the oldest goes. */
const MOST_SESSIONS = 1_000;

/** Whose token opened it. */
interface Session {
  readonly name: string;
  readonly hash: Buffer;
  /** On the clock that only goes forward, in ms. */
  readonly until: number;
}

export class Sessions {
  /** By the digest of its name. */
  readonly #sessions = new Map<string, Session>();
  readonly #now: () => number;

  /** @param now - a clock that only goes forward, in ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get count(): number {
    return this.#sessions.size;
  }

  /** The header Set-Cookie that signs a browser in. @param host - the Host of the request. */
  begin({ name, hash }: Pick<TokenEntry, "name" | "hash">, host: string, isTls: boolean): string {
    const id = randomBytes(32).toString("hex");
    this.#sessions.set(digest(id), { name, hash, until: this.#now() + SESSION_MS });
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size > MOST_SESSIONS && oldest !== undefined) this.#sessions.delete(oldest);
    return cookie(host, id, SESSION_MS / 1_000, isTls);
  }

  /** Ends the session of these cookies; the header that signs the browser out. */
  end(host: string, cookies: string, isTls: boolean): string {
    for (const key of keysIn(host, cookies)) this.#sessions.delete(key);
    return cookie(host, "", 0, isTls);
  }

  /** Whose session the cookies of a request have; null: none that counts. @param entries - the tokens of now. */
  find<Entry extends TokenEntry>(host: string, cookies: string, entries: readonly Entry[]): Entry | null {
    for (const key of keysIn(host, cookies)) {
      const session = this.#sessions.get(key);
      if (session === undefined) continue;
      const entry = entries.find(({ name, hash }) => name === session.name && hash.equals(session.hash));
      if (entry !== undefined && this.#now() < session.until) return entry;
      // Its time is over, or its token is none any more.
      this.#sessions.delete(key);
    }
    return null;
  }
}

/** How many cookies of this name one request may have. */
const MOST_COOKIES = 4;

function keysIn(host: string, cookies: string): string[] {
  const name = `${nameFor(host)}=`;
  return cookies
    .split(";")
    .map((each) => each.trim())
    .filter((each) => each.startsWith(name))
    .slice(0, MOST_COOKIES)
    .map((each) => each.slice(name.length))
    .filter((id) => /^[0-9a-f]{64}$/.test(id))
    .map(digest);
}

/** Looked up by its digest, so that the time of that tells nothing of a name. */
function digest(id: string): string {
  return createHash("sha256").update(id).digest("hex");
}

function cookie(host: string, value: string, seconds: number, isTls: boolean): string {
  const secure = isTls ? "; Secure" : "";
  return `${nameFor(host)}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`;
}

/** Cookies are shared by all ports of a host, and several executors may live there. */
function nameFor(host: string): string {
  return `taskexe_session_${/:(\d{1,5})$/.exec(host)?.[1] ?? "0"}`;
}
