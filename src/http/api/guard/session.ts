/**
 * The session of a browser that has shown the token: a cookie that no script and no other site can use. It holds until
 * when it counts, and a digest of that with the token, so nothing is kept here, any executor with the same token knows
 * it, and another token ends it. The token itself is not in it.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

/** How long a browser stays signed in: 12 hours, in ms. */
const SESSION_MS = 12 * 3_600_000;

export class Sessions {
  readonly #token: string;

  constructor(token: string) {
    this.#token = token;
  }

  /** The header Set-Cookie that signs a browser in. @param host - the Host of the request. */
  begin(host: string, isTls: boolean): string {
    const until = Date.now() + SESSION_MS;
    return cookie(host, `${until}.${this.#digest(until)}`, SESSION_MS / 1_000, isTls);
  }

  /** The header that signs it out. */
  end(host: string, isTls: boolean): string {
    return cookie(host, "", 0, isTls);
  }

  /** Whether the cookies of a request have a session that counts. */
  allows(host: string, cookies: string): boolean {
    const name = `${nameFor(host)}=`;
    const given = cookies.split(";").map((each) => each.trim());
    return given.some((each) => each.startsWith(name) && this.#isSound(each.slice(name.length)));
  }

  #isSound(value: string): boolean {
    const [, until = "", digest = ""] = /^(\d{1,16})\.([0-9a-f]{64})$/.exec(value) ?? [];
    if (digest === "" || Number(until) < Date.now()) return false;
    return timingSafeEqual(Buffer.from(digest, "hex"), Buffer.from(this.#digest(Number(until)), "hex"));
  }

  #digest(until: number): string {
    return createHmac("sha256", this.#token).update(`taskexe session until ${until}`).digest("hex");
  }
}

function cookie(host: string, value: string, seconds: number, isTls: boolean): string {
  const secure = isTls ? "; Secure" : "";
  return `${nameFor(host)}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`;
}

/** Cookies are shared by all ports of a host, and several executors may live there. */
function nameFor(host: string): string {
  return `taskexe_session_${/:(\d{1,5})$/.exec(host)?.[1] ?? "0"}`;
}
