/**
 * The account of a state folder: every file in it is of a kind that docs/bounds.md names, and no kind has more than it
 * may have.
 */
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { MOST_SNAPSHOTS } from "../../../src/runtime/memory/heap-snapshot.ts";
import type { Account, Kind } from "./account.ts";

interface FileKind {
  /** As docs/bounds.md names it. */
  readonly name: string;
  readonly pattern: RegExp;
  /** How many of a folder's. */
  readonly most: number;
}

/** How many executors one state folder can name. */
const MOST_NAMES = 1_000;

export const FILE_KINDS: readonly FileKind[] = [
  { name: "queue.db", pattern: /^queue\.db$/, most: 1 },
  { name: "queue.db-wal", pattern: /^queue\.db-wal$/, most: 1 },
  { name: "queue.db-shm", pattern: /^queue\.db-shm$/, most: 1 },
  { name: "executors/id", pattern: /^executors\/id$/, most: 1 },
  { name: "executors/N.lock", pattern: /^executors\/\d+\.lock$/, most: MOST_NAMES },
  { name: "executors/N.lock-journal", pattern: /^executors\/\d+\.lock-journal$/, most: MOST_NAMES },
  {
    name: "logs/PID_snapshot_TIME.heapsnapshot",
    pattern: /^logs\/\d+_snapshot_\d{8}_\d{6}\.heapsnapshot$/,
    most: MOST_SNAPSHOTS,
  },
];

export function accountOfFolder(folder: string): Account {
  const found = Map.groupBy(filesIn(folder, ""), (path) => FILE_KINDS.find(({ pattern }) => pattern.test(path)));
  const kinds: Kind[] = [];
  const problems: string[] = [];
  for (const [kind, paths] of found) {
    const bytes = paths.reduce((sum, path) => sum + lstatSync(join(folder, path)).size, 0);
    kinds.push({ name: kind?.name ?? "of no kind", count: paths.length, bytes });
    if (kind === undefined) problems.push(...paths.map((path) => `${join(folder, path)}: is of no kind`));
    else if (paths.length > kind.most)
      problems.push(`${folder}: ${paths.length} of ${kind.name}, more than ${kind.most}`);
  }
  return { kinds, problems };
}

function filesIn(folder: string, below: string): string[] {
  return readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    return entry.isDirectory() ? filesIn(folder, path) : [path];
  });
}
