/** Paths in settings: from which folder a relative one counts, and whose home `~/` is. */
import { isAbsolute, resolve } from "node:path";

/** The path from `folder`; one that begins with `~/` stays, as it counts from the user's home. */
export function pathFrom(path: string, folder: string): string {
  return path.startsWith("~/") ? path : resolve(folder, path);
}

/** The same address; where it is `sqlite:` with a relative path, that counts from `folder`. */
export function brokerFrom(address: string, folder: string): string {
  if (!/^sqlite:./i.test(address)) return address;
  const path = address.slice("sqlite:".length);
  return isAbsolute(path) || path.startsWith("~") || path.startsWith(":") ? address : `sqlite:${resolve(folder, path)}`;
}
