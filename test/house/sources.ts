/** The files of the repository that its rules are about: those that git knows, and new ones that it does not ignore. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { ROOT } from "../stage/command.ts";

/** By their paths from the root of the repository; of all folders given. */
export function filesIn(...folders: readonly string[]): string[] {
  const arguments_ = ["ls-files", "--cached", "--others", "--exclude-standard", "--", ...folders];
  const { stdout, status, stderr } = spawnSync("git", arguments_, { cwd: ROOT, encoding: "utf8" });
  if (status !== 0) throw new Error(`git does not tell which files there are: ${stderr}`);
  // What was removed, and not committed yet, git still knows.
  return stdout.split("\n").filter((file) => file !== "" && existsSync(join(ROOT, file)));
}

/** The text of the TypeScript files of these folders. */
export function sourcesIn(...folders: readonly string[]): Map<string, string> {
  const files = filesIn(...folders).filter((file) => file.endsWith(".ts"));
  return new Map(files.map((file) => [file, readFileSync(join(ROOT, file), "utf8")]));
}
