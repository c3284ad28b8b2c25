/**
 * Checks the lock files that are named: every package has the digest of what was locked, so that no registry can put
 * another one in its place, and none names a registry. `bun scripts/check-lock.ts package-lock.json ...`
 */
import { readFileSync } from "node:fs";

interface Entry {
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
}

/** What is wrong with the text of a lock file, one sentence each. */
export function problemsOf(text: string): string[] {
  const { packages = {} }: { readonly packages?: Readonly<Record<string, Entry>> } = JSON.parse(text);
  const entries = Object.entries(packages).filter(([path]) => path !== "");
  if (entries.length === 0) return ["it has no packages, or is of a form that this does not read"];
  return entries.flatMap(([path, { integrity, resolved, link }]) => {
    const found: string[] = [];
    if (!link && !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? "")) found.push(`${path} has no sha512 integrity`);
    if (resolved !== undefined && !link) found.push(`${path} names a registry: "resolved" must not be there`);
    return found;
  });
}

if (import.meta.main) {
  for (const file of process.argv.slice(2)) {
    for (const problem of problemsOf(readFileSync(file, "utf8"))) {
      process.stderr.write(
        `${file}: ${problem}; remove the entry, then npm install --package-lock-only writes it whole\n`,
      );
      process.exitCode = 1;
    }
  }
}
