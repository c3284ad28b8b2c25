/** Hosts that a user allows: a name, an address or a network, each with a port or for all ports. */
import { ipBytes, isWithin, type Network, readNetwork } from "./ip.ts";

/** What one entry of a list allows. */
export interface AllowedHost {
  /** Lower case; null: an address or a network. */
  readonly name: string | null;
  readonly network: Network | null;
  /** Null: every port. */
  readonly port: number | null;
}

/** What stands behind "expected" for one. */
export const EXPECTED_HOST =
  "a host, an address or a network, like api.example.com, 10.1.2.3:8443, [fd00::1] or 10.0.0.0/8";

/** Reads `HOST`, `HOST:PORT`, an address (IPv6 with a port in brackets) or `NETWORK/BITS`; null where it is none. */
export function readAllowedHost(text: string): AllowedHost | null {
  const whole = readNetwork(text);
  if (whole !== null) return { name: null, network: whole, port: null };
  const [, bracketed, plain, digits] = /^(?:\[([\da-f:.]+)\]|([^\s:/[\]@?#]{1,253}))(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const port = digits === undefined ? null : Number(digits);
  if (port !== null && (port < 1 || port > 65_535)) return null;
  const network = readNetwork(bracketed ?? plain ?? "");
  if (network !== null) return { name: null, network, port };
  if (plain === undefined || !plain.split(".").every((label) => /^[\w-]{1,63}$/.test(label))) return null;
  return { name: plain.toLowerCase(), network: null, port };
}

/** Whether one of them names this host, or its address where it is written as one. */
export function allowsHost(allowed: readonly AllowedHost[], hostname: string, port: number): boolean {
  const address = ipBytes(hostname.replace(/^\[|\]$/g, ""));
  if (address !== null) return allowsAddress(allowed, address, port);
  return allowed.some((one) => one.name === hostname.toLowerCase() && isPort(one, port));
}

/** Whether one of them is this address, or a network that it is in. */
export function allowsAddress(allowed: readonly AllowedHost[], address: Uint8Array, port: number): boolean {
  return allowed.some((one) => one.network !== null && isWithin(address, one.network) && isPort(one, port));
}

function isPort(one: AllowedHost, port: number): boolean {
  return one.port === null || one.port === port;
}
