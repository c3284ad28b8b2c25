/**
 * Where the requests of one endpoint may go: to the host of its URL always; to another one, by a redirect, only where
 * `allow` names it; and then to an address that is no public one only where `allow` names the address. The addresses of
 * a name are looked at when a connection is made, and it is made to one of those: what the name says a moment later
 * does not matter.
 */
import { lookup as systemLookup } from "node:dns";
import type { LookupFunction } from "node:net";
import { type AllowedHost, allowsAddress, allowsHost } from "../../runtime/net/allowed-host.ts";
import { ipBytes, specialUse } from "../../runtime/net/ip.ts";

/** A request is not sent, as it may not go there. */
export class RefusedDestinationError extends Error {
  override readonly name = "RefusedDestinationError";
}

interface Address {
  readonly address: string;
  readonly family: number;
}

/** How a name becomes addresses, as `dns.lookup` does it. */
export type Lookup = (
  hostname: string,
  options: { readonly all: true },
  callback: (error: Error | null, addresses: readonly Address[]) => void,
) => void;

export class Destinations {
  readonly #url: URL;
  readonly #allowed: readonly AllowedHost[];
  readonly #lookup: Lookup;

  constructor(url: URL, allowed: readonly AllowedHost[], lookup: Lookup = systemLookup) {
    this.#url = url;
    this.#allowed = allowed;
    this.#lookup = lookup;
  }

  /** Whether it is the configured host: the same name and port, or its usual port of https. */
  isOwn(url: URL): boolean {
    if (url.hostname !== this.#url.hostname) return false;
    return portOf(url) === portOf(this.#url) || (url.protocol === "https:" && portOf(url) === 443);
  }

  /**
   * Where a redirect leads.
   *
   * @param location - as the answer has it; a relative one counts from `from`.
   * @throws RefusedDestinationError where it may surely not go there.
   */
  redirected(location: string, from: URL): URL {
    if (!URL.canParse(location, from.href)) throw new RefusedDestinationError("it is no URL");
    const to = new URL(location, from.href);
    if (to.protocol !== "http:" && to.protocol !== "https:") {
      throw new RefusedDestinationError(`${to.protocol} is not spoken, only http: and https:`);
    }
    if (from.protocol === "https:" && to.protocol === "http:") {
      throw new RefusedDestinationError("it leads from https to http, where everybody on the way could read it");
    }
    if (to.username !== "" || to.password !== "") throw new RefusedDestinationError("it names a user");
    if (!this.isOwn(to)) this.#refuseOther(to);
    return to;
  }

  /** Resolves the name of a host for a connection, to addresses that it may go to. */
  lookupFor(url: URL): LookupFunction {
    return (hostname, options, callback) => {
      this.#lookup(hostname, { all: true }, (error, found) => {
        if (error !== null) return callback(error, "", 0);
        const allowed = found.filter(({ address }) => this.#problemOf(address, url) === null);
        const [first] = allowed;
        if (first !== undefined) {
          if (options.all) callback(null, [...allowed]);
          else callback(null, first.address, first.family);
          return;
        }
        const [refused] = found;
        const reason = refused === undefined ? "it has no address" : this.#problemOf(refused.address, url);
        callback(new RefusedDestinationError(`${url.host} is refused: ${reason ?? "it has no address"}`), "", 0);
      });
    };
  }

  /** What can be said before any name is looked up: what nobody allows is not asked for, either. */
  #refuseOther(url: URL): void {
    const host = bare(url.hostname);
    const isAddress = ipBytes(host) !== null;
    const port = portOf(url);
    const mayBe = allowsHost(this.#allowed, host, port) || (!isAddress && this.#allowed.some(({ network }) => network));
    if (mayBe) return;
    const kind = isAddress ? kindOf(host) : null;
    const what = kind === null ? "another host" : `another host, of a ${kind} address,`;
    throw new RefusedDestinationError(`it is ${what} that is not in allow`);
  }

  /** Why a connection may not go to this address of the host; null: it may. */
  #problemOf(text: string, url: URL): string | null {
    if (this.isOwn(url)) return null;
    const address = ipBytes(text.replace(/%.*$/, ""));
    if (address === null) return `${text} is no address`;
    const port = portOf(url);
    if (allowsAddress(this.#allowed, address, port)) return null;
    if (!allowsHost(this.#allowed, bare(url.hostname), port)) return `neither it nor its address ${text} is in allow`;
    const kind = specialUse(address);
    if (kind === null || (kind === "loopback" && isLocalName(url.hostname))) return null;
    return `its address ${text} is a ${kind} one, and not in allow`;
  }
}

/** The host without the brackets of an IPv6 address, as connections take it. */
export function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, "");
}

function portOf(url: URL): number {
  return url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
}

function kindOf(host: string): string | null {
  const address = ipBytes(host);
  return address === null ? null : specialUse(address);
}

/** Whoever allows the name knows that it is this machine. */
function isLocalName(hostname: string): boolean {
  return /^(?:[\w-]+\.)*localhost\.?$/i.test(hostname);
}
