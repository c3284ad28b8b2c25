/** Paths in settings: from which folder a relative one counts, and whose home `~/` is. */
import { resolve } from "node:path";

/** The path from `folder`; one that begins with `~/` stays, as it counts from the user's home. */
export function pathFrom(path: string, folder: string): string {
  return path.startsWith("~/") ? path : resolve(folder, path);
}
