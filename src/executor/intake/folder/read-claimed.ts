/**
 * What a claimed file says. Whoever may write to the folder may put anything there: a link to a file of ours, a pipe
 * that never ends, a file without an end. So it is opened without following a link and without waiting, looked at
 * through its descriptor, and read up to a bound.
 */
import { constants, type Stats, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { MAX_MESSAGE_LENGTH } from "../../../task/message/message-schema.ts";
import { codeOf } from "./claims.ts";

const OTHERS_WRITE = 0o002;

/** `text`: what it says; `refused`: why it is not read. `gone`: another executor has taken it over. */
export type ReadClaim =
  | { readonly kind: "text"; readonly text: string; readonly isUtf8: boolean }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "gone" };

/** Never throws for what a file is; @throws (rejects) what is wrong with the system, as EIO or EMFILE. */
export async function readClaimed(path: string): Promise<ReadClaim> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const why = WHY[codeOf(error)];
    if (codeOf(error) === "ENOENT") return { kind: "gone" };
    if (why !== undefined) return { kind: "refused", why };
    throw error;
  }
  try {
    const stats = await file.stat();
    const why = refusal(stats, path);
    if (why !== null) return { kind: "refused", why };
    return decoded(await contentOf(file));
  } finally {
    await file.close();
  }
}

const WHY: Readonly<Record<string, string>> = {
  ELOOP: "it is a link",
  EMLINK: "it is a link",
  EACCES: "this user may not read it",
  EPERM: "this user may not read it",
  ENXIO: "it is a socket or a device",
  EISDIR: "it is a folder",
};

function refusal(stats: Stats, path: string): string | null {
  if (!stats.isFile()) return stats.isDirectory() ? "it is a folder" : "it is a pipe or a device, not a file";
  // A second name of it may stand where we may read, and the one who gave it this name may not.
  if (stats.nlink > 1) return "it has another name elsewhere (a hard link)";
  if (stats.size > MAX_MESSAGE_LENGTH) return `it has ${stats.size} bytes; at most ${MAX_MESSAGE_LENGTH} are read`;
  // The folder of claims is in the folder of the source.
  const folder = statSync(dirname(dirname(path)));
  const uid = process.geteuid?.();
  const isTrusted = uid === undefined || [uid, 0, folder.uid].includes(stats.uid);
  if (isTrusted || (folder.mode & OTHERS_WRITE) === 0) return null;
  return `it belongs to user ${stats.uid}, and every user may write to the folder (chmod o-w it)`;
}

/** It may grow while it is read. */
async function contentOf(file: FileHandle): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let left = MAX_MESSAGE_LENGTH + 1; left > 0; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(left, 65_536)));
    if (bytesRead === 0) break;
    pieces.push(buffer.subarray(0, bytesRead));
    left -= bytesRead;
  }
  return Buffer.concat(pieces);
}

function decoded(bytes: Buffer): ReadClaim {
  try {
    return { kind: "text", text: new TextDecoder("utf-8", { fatal: true }).decode(bytes), isUtf8: true };
  } catch {
    return { kind: "text", text: bytes.toString("utf8"), isUtf8: false };
  }
}
