/**
 * A short id of this machine, to tell executors on different machines apart.
 * The machine's own id is meant to stay secret, so only a hash of it leaves this file.
 */

const MACHINE_ID_FILES = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

let known: string | undefined;

/** The same 8 hex digits at every start on this machine: from its machine id, else from its host name. */
export function hostId(): string {
  known ??= hash(machineId() ?? process.getBuiltinModule("node:os").hostname());
  return known;
}

function machineId(): string | undefined {
  const { readFileSync } = process.getBuiltinModule("node:fs");
  for (const file of MACHINE_ID_FILES) {
    try {
      const id = readFileSync(file, "utf8").trim();
      // An image that was never booted has an empty file, or the word "uninitialized".
      if (/^[0-9a-f]{32}$/i.test(id)) return id;
    } catch {
      // Not there, as in most containers: ask the next.
    }
  }
  return undefined;
}

function hash(id: string): string {
  const { createHash } = process.getBuiltinModule("node:crypto");
  return createHash("sha256").update(`taskexe host ${id}`).digest("hex").slice(0, 8);
}
