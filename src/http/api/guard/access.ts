/**
 * Who asks: by a token in the header, or by the session of a browser that has shown one. Where no token is configured,
 * this machine may do everything, and others may read.
 */
import { createHash } from "node:crypto";
import type { Context } from "hono";
import type { Listener } from "../../host-check.ts";
import { isLocal } from "../../ip-loopback.ts";
import { cameThrough } from "./proxy-headers.ts";
import type { Caller } from "./roles.ts";
import { Sessions } from "./session.ts";
import { entryFor, SINGLE, type TokenEntry } from "./tokens-file.ts";
import { WrongTokens } from "./wrong-tokens.ts";

/** What the server tells of a connection. */
export interface PeerBindings {
  /** The client's IP address; absent or empty where it is not known, which counts as another machine. */
  readonly peer?: string;
  /** It speaks HTTP/1.0, as a proxy does that nobody told otherwise (nginx); a program of today does not. */
  readonly isOld?: boolean;
  /** The page of this executor asks, for whoever looks at it: that request is counted already. */
  readonly isInner?: boolean;
}

/** The tokens of a file, as they are now. */
export interface Tokens {
  readonly entries: readonly TokenEntry[];
}

export interface AccessOptions {
  /** The one that may do everything; null: none. */
  readonly token: string | null;
  /** Absent: there is no file. */
  readonly tokens?: Tokens | undefined;
}

type Asked = Context<{ Bindings: PeerBindings }>;

/** What a request has shown: whose token or session; nothing; a token that is none; or one that was not looked at. */
export type Shown =
  | { readonly kind: "known"; readonly caller: TokenEntry }
  | { readonly kind: "nothing" | "wrong" }
  | { readonly kind: "slowed"; readonly retryMs: number };

const HERE: Caller = { name: "this machine", role: "admin", queues: null };
const ANYBODY: Caller = { name: "anybody", role: "read", queues: null };

export class Access {
  readonly sessions: Sessions;
  readonly #listener: Listener;
  readonly #single: TokenEntry | null;
  readonly #tokens: Tokens | undefined;
  readonly #wrong: WrongTokens;
  /** What a request has shown is looked at once. */
  readonly #seen = new WeakMap<Request, Shown>();

  /** @param now - a clock that only goes forward, in ms. */
  constructor({ token, tokens }: AccessOptions, listener: Listener, now?: () => number) {
    this.#listener = listener;
    this.#tokens = tokens;
    this.#single = token === null ? null : single(token);
    this.sessions = new Sessions(now);
    this.#wrong = new WrongTokens(now);
  }

  /** Whether a token is needed at all. */
  get isGuarded(): boolean {
    return this.#single !== null || this.#tokens !== undefined;
  }

  /** What the request has shown. */
  shown(context: Asked): Shown {
    const request = context.req.raw;
    let shown = this.#seen.get(request);
    if (shown === undefined) {
      shown = this.#look(context);
      this.#seen.set(request, shown);
    }
    return shown;
  }

  /** Whose token or session it has; null: none that counts. */
  known(context: Asked): Caller | null {
    const shown = this.shown(context);
    return shown.kind === "known" ? shown.caller : null;
  }

  /** Who asks; null: a token is needed, and it has shown none that counts. */
  caller(context: Asked): Caller | null {
    if (this.isGuarded) return this.known(context);
    return this.foreignness(context) === null ? HERE : ANYBODY;
  }

  /** A token that was typed: whose it is. */
  typed(context: Asked, token: string): Shown {
    return this.#show(context, token);
  }

  /** Why a request may be another machine's; null where it is this one's. */
  foreignness(context: Asked): string | null {
    const { hostname, address } = this.#listener;
    if (!isLocal(address)) return `without a token nothing can be changed while HTTP listens on ${hostname}`;
    if (!isLocal(context.env?.peer ?? "")) return "without a token only this machine may change anything";
    // A proxy on this machine makes everybody a neighbour.
    const header = cameThrough(context.req.header());
    if (header !== null) return `the request came through a proxy (${header}), so it may be from anywhere`;
    if (context.env?.isOld) return "the request is of HTTP/1.0, as a proxy sends it, so it may be from anywhere";
    return null;
  }

  get #entries(): readonly TokenEntry[] {
    const others = this.#tokens?.entries ?? [];
    return this.#single === null ? others : [this.#single, ...others];
  }

  #look(context: Asked): Shown {
    if (!this.isGuarded) return { kind: "nothing" };
    const given = /^Bearer +(\S+) *$/i.exec(context.req.header("authorization") ?? "")?.[1];
    if (given !== undefined) return this.#show(context, given);
    const found = this.sessions.find(hostOf(context), context.req.header("cookie") ?? "", this.#entries);
    if (found !== null) return { kind: "known", caller: found };
    return { kind: context.req.header("authorization") === undefined ? "nothing" : "wrong" };
  }

  #show(context: Asked, token: string): Shown {
    const caller = entryFor(this.#entries, token);
    const retryMs = this.#wrong.shows(context.env?.peer ?? "", caller?.name ?? null);
    if (retryMs > 0) return { kind: "slowed", retryMs };
    return caller === null ? { kind: "wrong" } : { kind: "known", caller };
  }
}

function single(token: string): TokenEntry {
  return { name: SINGLE, role: "admin", queues: null, hash: createHash("sha256").update(token).digest() };
}

/** The host that was asked, with its port. */
export function hostOf({ req }: Context): string {
  return req.header("host") || new URL(req.url).host;
}
