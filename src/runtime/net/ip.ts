/** Addresses and networks of IP as bytes, and which of them are nobody's on the open internet. */

/** A network: the first `bits` of its bytes are common to all of its addresses. */
export interface Network {
  /** 16 bytes; an IPv4 address is `::ffff:a.b.c.d`. */
  readonly bytes: Uint8Array;
  /** 0 to 128; of an IPv4 network 96 more than is written. */
  readonly bits: number;
}

/**
 * The 16 bytes of an address, without brackets; null where the text is none. An IPv4 address and its form in IPv6 are
 * one.
 */
export function ipBytes(text: string): Uint8Array | null {
  const four = fourBytes(text);
  if (four !== null) return Uint8Array.from([...MAPPED, ...four]);
  return sixteenBytes(text);
}

/** A network as `10.0.0.0/8` or `fc00::/7`, or of one address alone; null where the text is none. */
export function readNetwork(text: string): Network | null {
  const [, address = "", length] = /^([\d.]+|[\da-f:.]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  const bytes = ipBytes(address);
  if (bytes === null) return null;
  const most = address.includes(":") ? 128 : 32;
  const bits = length === undefined ? most : Number(length);
  return bits > most ? null : { bytes, bits: bits + 128 - most };
}

/** Whether the address is in the network. */
export function isWithin(address: Uint8Array, { bytes, bits }: Network): boolean {
  for (let bit = 0; bit < bits; bit += 8) {
    const mask = bits - bit >= 8 ? 0xff : (0xff << (8 - (bits - bit))) & 0xff;
    if (((address[bit / 8] ?? 0) & mask) !== ((bytes[bit / 8] ?? 0) & mask)) return false;
  }
  return true;
}

/**
 * What kind of address it is where it is no public one (`loopback`, `private`, `link-local` ...), as IANA's registries
 * of special-purpose addresses have them; null: a public one.
 */
export function specialUse(address: Uint8Array): string | null {
  for (const { kind, networks } of SPECIAL) {
    if (networks.some((network) => isWithin(address, network))) return kind;
  }
  return null;
}

const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

// Those that carry an IPv4 address within (6to4, Teredo, NAT64) count as what they are, as they could lead anywhere.
const SPECIAL = [
  special("loopback", "127.0.0.0/8", "::1/128"),
  special("link-local", "169.254.0.0/16", "fe80::/10"),
  special("private", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10"),
  special("multicast", "224.0.0.0/4", "ff00::/8"),
  special("translated", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/23", "2002::/16", "192.88.99.0/24"),
  special("documentation", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),
  special("reserved", "0.0.0.0/8", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4", "::/96", "100::/64", "5f00::/16"),
];

function special(kind: string, ...texts: readonly string[]) {
  return { kind, networks: texts.map(readNetwork).filter((network) => network !== null) };
}

function fourBytes(text: string): number[] | null {
  if (!/^\d{1,3}(?:\.\d{1,3}){3}$/.test(text)) return null;
  const bytes = text.split(".").map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes : null;
}

function sixteenBytes(text: string): Uint8Array | null {
  const halves = text.split("::");
  if (halves.length > 2 || !text.includes(":")) return null;
  const [head, tail] = halves.map((half, index) => groupsOf(half, index === halves.length - 1));
  if (head == null || tail === null) return null;
  const missing = 16 - head.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 2) return null;
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...(tail ?? [])]);
}

/** The bytes of groups with colons between them; null where one is none. At the end there may be an IPv4 address. */
function groupsOf(text: string, isEnd: boolean): number[] | null {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":");
  for (const [index, group] of groups.entries()) {
    const four = isEnd && index === groups.length - 1 ? fourBytes(group) : null;
    if (four !== null) bytes.push(...four);
    else if (/^[\da-f]{1,4}$/i.test(group))
      bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff);
    else return null;
  }
  return bytes.length > 16 ? null : bytes;
}
