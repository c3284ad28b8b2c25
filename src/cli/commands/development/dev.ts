/**
 * `taskexe dev`: an executor for whoever writes handlers: it loads them anew whenever one of their files is saved, also
 * where they could not be loaded at the start, logs for people, and has its queue in a file of this folder, unless
 * another one is named.
 */
import { existsSync, mkdirSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { embeddedAddress } from "../../../broker/drivers.ts";
import { type Options, withExecutorFlags } from "../../arguments/flags.ts";
import { printLine } from "../../output/print.ts";
import { run } from "../run.ts";

/** The queue, and the settings of a project as `taskexe new` writes it, in the working directory. */
const STATE_FOLDER = ".state";
const SETTINGS = "taskexe.toml";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withExecutorFlags(command)
    .description("run handlers while you write them: load them anew on save; the queue is a file in this folder")
    .argument("[files...]", "handler files and folders (default: those of ./taskexe.toml, else this folder)")
    .action(async (files: readonly string[], options: Options) => exit(await run(withDefaults(files, options))));
}

function withDefaults(files: readonly string[], options: Options): Options {
  const hasSettings = existsSync(SETTINGS);
  const config = options.config ?? (hasSettings ? SETTINGS : "off");
  const tasks = [...(Array.isArray(options.tasks) ? options.tasks : []), ...files];
  const named = tasks.length > 0 || config !== "off" ? tasks : ["."];
  // A project's settings name its queue; a machine's are not asked, so that nobody works off a real queue by mistake.
  const hasBroker = options.broker !== undefined || options.brokerFile !== undefined || config !== "off";
  return {
    ...options,
    ...{ config, watch: true, staysUnloaded: true, log: options.log ?? "pretty" },
    ...(named.length === 0 ? {} : { tasks: named }),
    ...(hasBroker ? {} : { broker: ownQueue() }),
  };
}

/** Says how it is reached, too. */
function ownQueue(): string {
  mkdirSync(STATE_FOLDER, { recursive: true, mode: 0o700 });
  const path = `${STATE_FOLDER}/queue.db`;
  printLine(`the queue is ${path}: taskexe enqueue TYPE PAYLOAD --broker ${embeddedAddress(path)}`);
  return embeddedAddress(resolve(path));
}
