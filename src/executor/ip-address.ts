/** This machine's address as heartbeats carry it. */
import { networkInterfaces } from "node:os";

/** The first IPv4 address that is not loopback; else 127.0.0.1. */
export function outsideAddress(): string {
  for (const addresses of Object.values(networkInterfaces())) {
    const found = addresses?.find(({ family, internal }) => family === "IPv4" && !internal);
    if (found) return found.address;
  }
  return "127.0.0.1";
}
