/**
 * Whether an IP address is one of this machine alone. Names are not looked at: whoever writes them says what they are.
 */
import { UNIX_SOCKET } from "../runtime/index.ts";

/** Loopback, or a Unix socket: nobody comes from another machine. */
export function isLocal(address: string): boolean {
  return address === UNIX_SOCKET || isLoopback(address);
}

/** 127.0.0.0/8 and ::1, also as IPv6 writes the former (::ffff:127.0.0.1); false for names and for nonsense. */
export function isLoopback(address: string): boolean {
  const ip = canonical(address);
  return ip === "[::1]" || /^127(\.\d{1,3}){3}$/.test(ip) || /^\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\]$/.test(ip);
}

/** An IPv6 address in brackets and in its one short spelling; all else as it is, in small letters. */
export function canonical(address: string): string {
  const text = address.toLowerCase();
  if (!text.includes(":")) return text;
  const bracketed = text.startsWith("[") ? text : `[${text}]`;
  return URL.canParse(`http://${bracketed}`) ? new URL(`http://${bracketed}`).hostname : bracketed;
}
