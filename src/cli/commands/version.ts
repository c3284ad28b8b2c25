/**
 * `taskexe version`: the version, with `--json` also what it runs on. The plain form is answered by main.ts already.
 */
import type { Command } from "commander";
import { runtime } from "../../runtime/index.ts";
import { VERSION } from "../../version.ts";
import type { Options } from "../arguments/flags.ts";
import { printJson, printLine } from "../output/print.ts";

/** How it is called. */
export function define(command: Command): void {
  command.description("print the version").option("--json", "print JSON").action(version);
}

function version(options: Options): void {
  if (!options.json) {
    printLine(VERSION);
    return;
  }
  const { name, version: runtimeVersion, compiled } = runtime;
  printJson({
    version: VERSION,
    runtime: name,
    runtime_version: runtimeVersion,
    compiled,
    platform: process.platform,
    arch: process.arch,
  });
}
