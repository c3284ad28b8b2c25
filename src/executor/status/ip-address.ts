/** This machine's address as heartbeats carry it. */
import { networkInterfaces } from "node:os";

/** The first IPv4 address that is not loopback; else, and where a sandbox forbids the question, 127.0.0.1. */
export function outsideAddress(): string {
  for (const addresses of Object.values(interfaces())) {
    const found = addresses?.find(({ family, internal }) => family === "IPv4" && !internal);
    if (found) return found.address;
  }
  return "127.0.0.1";
}

function interfaces(): ReturnType<typeof networkInterfaces> {
  try {
    return networkInterfaces();
  } catch {
    // Without AF_NETLINK (RestrictAddressFamilies of systemd) the system does not answer.
    return {};
  }
}
