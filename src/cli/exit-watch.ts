/**
 * Somebody's process.exit() in the middle of a run: a handler, or what it imports. It takes every running task down with
 * it, and as a success: whoever restarts what fails would leave it down. So it is told, and counts as a failure.
 */
import { EXIT_FAILED, EXIT_SIGINT, EXIT_SIGTERM } from "./exit.ts";
import { writeLastWord } from "./outlets.ts";

/** Watches until what it gives is called: from then on an exit is our own. */
export function watchExits(format: "pretty" | "json"): () => void {
  const onExit = (code: number): void => {
    // A second signal ends at once, and its sender knows.
    if (code === EXIT_SIGINT || code === EXIT_SIGTERM) return;
    if (code === 0) process.exitCode = EXIT_FAILED;
    const message = `process.exit(${code}) was called from within a task or a handler file: the executor is gone with all it ran`;
    // The log is written later than now, and there is no later.
    const line = JSON.stringify({ time: new Date().toISOString(), level: "fatal", logger: "taskexe", message });
    writeLastWord(format === "json" ? `${line}\n` : `taskexe: ${message}\n`);
  };
  process.on("exit", onExit);
  return () => {
    process.off("exit", onExit);
  };
}
