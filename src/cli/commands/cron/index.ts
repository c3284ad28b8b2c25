/** `taskexe cron ...`: schedules that executors fire, each run once for the whole fleet. */
import type { Command } from "commander";
import { didYouMean } from "../../../config/nearest.ts";
import { shownName } from "../../../config/redact.ts";
import type { Options } from "../../arguments/flags.ts";
import { usageError } from "../../process/exit.ts";
import { addCommands, type CommandTable } from "../command-file.ts";

const CRON_COMMANDS: CommandTable = {
  list: () => import("./list.ts"),
  show: () => import("./show.ts"),
  add: () => import("./add.ts"),
  remove: () => import("./remove.ts"),
  run: () => import("./run.ts"),
  pause: () => import("./pause.ts"),
  resume: () => import("./resume.ts"),
};

const NAMES = Object.keys(CRON_COMMANDS);
const LISTED = `${NAMES.slice(0, -1).join(", ")} or ${NAMES.at(-1)}`;

/** How they are called. */
export async function define(cron: Command, exit: (code: number) => void): Promise<void> {
  cron.description(`schedules: ${NAMES.join(", ")}`);
  await addCommands(cron, CRON_COMMANDS, exit);
  // What stands before a command's name is no option of that command, so Commander would call it unknown and no more.
  cron
    .helpCommand(true)
    .allowUnknownOption()
    .allowExcessArguments()
    .action((_options: Options, { args: [given] }: Command) => {
      if (given === undefined || given.startsWith("-")) {
        throw usageError(`cron needs ${LISTED}, and behind that its options`, "cron");
      }
      throw usageError(`unknown command cron ${shownName(given)}${didYouMean(given, NAMES)}`, "cron");
    });
}
