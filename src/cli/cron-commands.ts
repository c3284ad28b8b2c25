/** The commands about schedules: `cron list`, `show`, `add` and so on. What each does is in cron.ts. */
import type { Command } from "commander";
import { didYouMean } from "../config/nearest.ts";
import { shownName } from "../config/redact.ts";
import { usageError } from "./exit.ts";
import { type Options, withBrokerFlags, withRunFlags } from "./flags.ts";

/** Adds them; each hands its exit code to `exit`. */
export function addCronCommands(cron: Command, exit: (code: number) => void): void {
  withBrokerFlags(cron.command("list"))
    .description("list schedules with their next and last times")
    .option("--json", "print JSON")
    .action(async (options: Options) => exit(await (await import("./cron.ts")).cronList(options)));

  withBrokerFlags(cron.command("show"))
    .description("show a schedule and its last runs")
    .argument("<name>", "its name")
    .option("--json", "print JSON")
    .action(async (name: string, options: Options) => exit(await (await import("./cron.ts")).cronShow(name, options)));

  withRunFlags(withBrokerFlags(cron.command("add")))
    .description("store a schedule, or replace the one of that name; the same again keeps its next time")
    .argument("<name>", "its name")
    .argument("<cron>", "minute hour day month weekday, seconds in front if wanted, @daily or '@every 30s'; in quotes")
    .argument("<type>", "the type of its tasks")
    .argument("[payload]", "their payload as JSON, as @FILE to read it from, or - for standard input")
    .option("--timezone <zone>", "an IANA time zone like Europe/Berlin (default: UTC)")
    .option("--overlap <how>", "while an earlier run has not ended: skip, queue or allow (default: skip where unique)")
    .option("--queue <name>", "the queue (default: the definition's, then common)")
    .option("--priority <number>", "0 is ordinary, 1 is urgent; up to 9 where the setting priorities says so")
    .option("--delay <duration>", "queue each task only after this time")
    .option("--deadline <duration>", "so long after it was enqueued each task must have ended")
    .option("--json", "print JSON")
    .action(async (name: string, pattern: string, type: string, payload: string | undefined, options: Options) =>
      exit(await (await import("./cron.ts")).cronAdd(name, pattern, type, payload, options)),
    );

  withBrokerFlags(cron.command("remove"))
    .description("remove a schedule; the tasks that it has enqueued stay")
    .argument("<name>", "its name")
    .option("--json", "print JSON")
    .action(async (name: string, options: Options) =>
      exit(await (await import("./cron.ts")).cronRemove(name, options)),
    );

  withBrokerFlags(cron.command("run"))
    .description("enqueue a run now, also while it is paused, and print its id")
    .argument("<name>", "its name")
    .option("--json", "print JSON")
    .action(async (name: string, options: Options) => exit(await (await import("./cron.ts")).cronRun(name, options)));

  withBrokerFlags(cron.command("pause"))
    .description("let a schedule fire no more until it is resumed")
    .argument("<name>", "its name")
    .option("--json", "print JSON")
    .action(async (name: string, options: Options) => exit(await (await import("./cron.ts")).cronPause(name, options)));

  withBrokerFlags(cron.command("resume"))
    .description("let a schedule fire again; what it missed meanwhile is not caught up")
    .argument("<name>", "its name")
    .option("--json", "print JSON")
    .action(async (name: string, options: Options) =>
      exit(await (await import("./cron.ts")).cronResume(name, options)),
    );

  // What stands before a command's name is no option of that command, so Commander would call it unknown and no more.
  cron
    .helpCommand(true)
    .allowUnknownOption()
    .allowExcessArguments()
    .action((_options: Options, { args: [given] }: Command) => {
      const known = cron.commands.map((command) => command.name());
      if (given === undefined || given.startsWith("-")) {
        throw usageError(
          "cron needs list, show, add, remove, run, pause or resume, and behind that its options",
          "cron",
        );
      }
      throw usageError(`unknown command cron ${shownName(given)}${didYouMean(given, known)}`, "cron");
    });
}
