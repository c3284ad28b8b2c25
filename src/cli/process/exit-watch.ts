/**
 * Somebody's process.exit() in the middle of a run: a handler, or what it imports. It takes every running task down
 * with it, and as a success: whoever restarts what fails would leave it down. So it is told, and counts as a failure.
 */

import { writeLastWord } from "../output/outlets.ts";
import { EXIT_FAILED, EXIT_SIGINT, EXIT_SIGTERM, EXIT_USAGE } from "./exit.ts";

/**
 * Watches until what it gives is called: from then on an exit is our own.
 *
 * @param importing - The handler file that is being imported, or null: one that ends the process then is a broken one.
 */
export function watchExits(format: "pretty" | "json", importing: () => string | null): () => void {
  const onExit = (code: number): void => {
    // A second signal ends at once, and its sender knows.
    if (code === EXIT_SIGINT || code === EXIT_SIGTERM) return;
    const file = importing();
    if (file !== null) process.exitCode = EXIT_USAGE;
    else if (code === 0) process.exitCode = EXIT_FAILED;
    const message =
      file === null
        ? `process.exit(${code}) was called from within a task: the executor is gone with all it ran`
        : `process.exit(${code}) was called while ${file} was imported: remove the call, or move it into a program ` +
          "of its own";
    // The log is written later than now, and there is no later.
    const line = JSON.stringify({ time: new Date().toISOString(), level: "fatal", logger: "taskexe", message });
    writeLastWord(format === "json" ? `${line}\n` : `taskexe: ${message}\n`);
  };
  process.on("exit", onExit);
  return () => {
    process.off("exit", onExit);
  };
}
