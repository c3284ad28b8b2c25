/**
 * SHA-256 of every file below a folder: children in a nursery, a few at a time. Shows how parallel work inside one
 * task stays bounded, fails as one, and ends as one when the task is cancelled.
 *
 *   taskexe enqueue hash_files '{"folder": "src", "parallel": 8}'
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { CapacityLimiter, defineTask, withNursery } from "taskexe";
import * as v from "valibot";

export default defineTask({
  type: "hash_files",
  payload: v.object({
    folder: v.pipe(v.string(), v.nonEmpty()),
    /** How many files are read at the same time. */
    parallel: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64)), 4),
    /** More files than this are refused: the result is kept with the task. */
    max_files: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 1000),
  }),
  async run({ payload, scope, progress }) {
    const folder = resolve(payload.folder);
    const paths = await filesBelow(folder, payload.max_files);
    const limiter = new CapacityLimiter(payload.parallel);
    const hashes = new Map<string, string>();

    await withNursery(scope, async (nursery) => {
      for (const path of paths) {
        nursery.startSoon(({ signal }) =>
          limiter.withPermit(signal, async () => {
            hashes.set(relative(folder, path), await sha256(path, signal));
            await progress(hashes.size / paths.length, `${hashes.size} of ${paths.length} files`);
          }),
        );
      }
    });
    return Object.fromEntries([...hashes].sort(([a], [b]) => (a < b ? -1 : 1)));
  },
});

async function sha256(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of createReadStream(path)) {
    signal.throwIfAborted();
    hash.update(part);
  }
  return hash.digest("hex");
}

async function filesBelow(folder: string, most: number): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    if (files.length === most) throw new Error(`more than ${most} files below ${folder}; raise max_files`);
    files.push(join(entry.parentPath, entry.name));
  }
  return files.sort();
}
