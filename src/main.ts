#!/usr/bin/env bun
/**
 * The executable: hands the arguments to one command and ends with its exit code.
 * The version is answered before anything else is imported, so that whoever only asks for it does not wait.
 */
import { standardError, standardOutput, tellLost } from "./cli/output/outlets.ts";
import { BOUND_COMMAND } from "./runtime/process/bound-command.ts";
import { VERSION } from "./version.ts";

const argv = process.argv.slice(2);

if (argv.length === 1 && ["version", "--version", "-V"].includes(argv[0] ?? "")) {
  standardOutput.surviveClosing();
  standardOutput.write(`${VERSION}\n`);
  await standardOutput.written();
  process.exitCode = tellLost(0);
  await standardError.written();
} else if (argv[0] === BOUND_COMMAND) {
  const { startBoundCommand } = await import("./cli/process/bound-command.ts");
  startBoundCommand(argv.slice(1));
} else if (argv[0] === "runner") {
  // Started by executors, for each of which it is to be small: nothing of the command line is loaded.
  const { runRunner } = await import("./runner/run-runner.ts");
  const { providedModules } = await import("./provide/index.ts");
  await runRunner(argv.slice(1), providedModules);
} else {
  const { runCommandLine } = await import("./cli/command-line.ts");
  await runCommandLine(argv);
}
