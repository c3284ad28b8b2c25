/**
 * The commands about tasks that are there: list, retry, purge, pause, resume, watch, top. What each does is in its
 * file.
 */
import type { Command } from "commander";
import { type Options, withBrokerFlags } from "./flags.ts";

/** Adds them; each hands its exit code to `exit`. */
export function addTaskCommands(program: Command, exit: (code: number) => void): void {
  withBrokerFlags(program.command("list"))
    .description("list tasks")
    .option("--state <state>", "scheduled, queued, running, retrying, done, dead or cancelled")
    .option("--type <type>", "only of this type")
    .option("--queue <name>", "only in this queue")
    .option("--limit <number>", "how many at the most (default: 100)")
    .option("--all", "all there are")
    .option("--cursor <cursor>", "go on where a list ended before, with the same filters")
    .option("--json", "print JSON")
    .action(async (options: Options) => exit(await (await import("./list.ts")).list(options)));

  withBrokerFlags(program.command("watch"))
    .description("follow a task until it has ended; exits with 0 when it is done, else with 1")
    .argument("<id>", "the task's id")
    .option("--json", "print each event as a line of JSON")
    .action(async (id: string, options: Options) => exit(await (await import("./watch.ts")).watch(id, options)));

  withBrokerFlags(program.command("retry"))
    .description("queue dead and cancelled tasks again, from their first attempt")
    .argument("[id...]", "ids of tasks")
    .option("--type <type>", "all of this type")
    .option("--queue <name>", "all in this queue")
    .option("--all", "all there are")
    .option("--state <state>", "dead or cancelled; goes with --type, --queue and --all (default: dead)")
    .option("--json", "print JSON")
    .action(async (ids: string[], options: Options) => exit(await (await import("./retry.ts")).retry(ids, options)));

  withBrokerFlags(program.command("purge"))
    .description("remove the records of ended tasks, without asking")
    .option("--state <state>", "done, dead or cancelled")
    .option("--type <type>", "only of this type")
    .option("--queue <name>", "only in this queue")
    .option("--json", "print JSON")
    .action(async (options: Options) => exit(await (await import("./purge.ts")).purge(options)));

  withBrokerFlags(program.command("pause"))
    .description("let nothing of a queue or a type start, in the whole fleet; alone: tell what is paused")
    .argument("[kind]", "queue or type")
    .argument("[name]", "its name")
    .option("--json", "print JSON")
    .action(async (kind: string | undefined, name: string | undefined, options: Options) =>
      exit(await (await import("./pause.ts")).pause(kind, name, options)),
    );

  withBrokerFlags(program.command("resume"))
    .description("let a queue or a type go on")
    .argument("<kind>", "queue or type")
    .argument("<name>", "its name")
    .option("--json", "print JSON")
    .action(async (kind: string, name: string, options: Options) =>
      exit(await (await import("./pause.ts")).resume(kind, name, options)),
    );

  withBrokerFlags(program.command("top"))
    .description("the fleet and its queues, live; q or ctrl-C leaves")
    .option("--queues <names>", "the queues to show, with commas between them")
    .option("--once", "print one frame")
    .option("--json", "print one frame as JSON")
    .action(async (options: Options) => exit(await (await import("./top.ts")).top(options)));
}
