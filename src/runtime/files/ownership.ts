/**
 * Whether a file or a folder is safe to keep state in: ours or root's, and nobody else may write to it. What others may
 * write they may also put in place, and then it is they who say what our tasks are.
 */
import { lstatSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";

const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;
/** Its group may write, and what is made in there belongs to that group: as systemd makes the service's folder. */
const SHARED_FOLDER = 0o2020;

/**
 * Why a folder, or a file in it, must not be used, and what to do; null where nothing is wrong, it is not there, or
 * this system knows no users. A folder that a group shares, set-group-id, may be another's, and so may what is in it:
 * for members of that group, and for root.
 */
export function ownershipProblem(path: string): string | null {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined || process.geteuid === undefined) return null;
  const isTemporary = stats.isDirectory() && (stats.mode & STICKY) !== 0;
  if ((stats.mode & OTHERS_WRITE) !== 0 && !isTemporary) {
    return (
      `every user of this machine may write to ${path}, and so decide what runs; chmod o-w it, or use ` +
      "another place"
    );
  }
  const folder = stats.isDirectory() ? stats : statSync(dirname(path));
  if (isOurs(stats) || isShared(folder)) return null;
  return (
    `${path} belongs to another user (uid ${stats.uid}), not to this one (uid ${process.geteuid()}): use a ` +
    "place of your own, or give it over (chown)"
  );
}

/**
 * The same for a folder that only this process writes to: made when missing, mode 0700; no link, and its group must not
 * write to it either.
 */
export function privateFolderProblem(path: string): string | null {
  const stats = lstatSync(path);
  if (!stats.isDirectory()) return `${path} is no folder but a link or a file; move it away`;
  if (process.geteuid === undefined) return null;
  if (stats.uid !== process.geteuid()) return `${path} belongs to another user (uid ${stats.uid}); move it away`;
  return (stats.mode & 0o022) === 0 ? null : `others may write to ${path}; chmod go-w it`;
}

function isOurs({ uid }: Stats): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

function isShared({ mode, gid }: Stats): boolean {
  if ((mode & SHARED_FOLDER) !== SHARED_FOLDER) return false;
  return process.geteuid?.() === 0 || process.getegid?.() === gid || process.getgroups?.().includes(gid) === true;
}
