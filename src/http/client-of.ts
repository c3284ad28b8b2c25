/** Who counts as one client of the network, where something is bounded for each. */
import { canonical } from "./ip-loopback.ts";

/** Whoever has one address of IPv6 has all of its network: the first four groups. */
export function clientOf(peer: string): string {
  const address = canonical(peer);
  if (!address.startsWith("[")) return address;
  const [head = "", tail = ""] = address.slice(1, -1).split("::");
  const groups = head.split(":");
  const behind = tail === "" ? [] : tail.split(":");
  const between = address.includes("::") ? Array.from({ length: 8 - groups.length - behind.length }, () => "0") : [];
  return [...groups, ...between, ...behind].slice(0, 4).join(":");
}
