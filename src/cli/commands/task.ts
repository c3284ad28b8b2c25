/**
 * `taskexe task ID`: everything the broker keeps about a task, its log included. How it is shown is in show-task.ts.
 */
import type { Command } from "commander";
import { findTask, notFound } from "../../operations/search/find-task.ts";
import { taskAndLogView } from "../../operations/views/task-view.ts";
import { type Options, settingsOf, withBrokerFlags } from "../arguments/flags.ts";
import { printFields, printJson } from "../output/print.ts";
import { taskFields } from "../output/show-task.ts";
import { CommandFailure } from "../process/exit.ts";
import { withBroker } from "../process/with-broker.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("show the record of a task")
    .argument("<id>", "the task's id")
    .option("--json", "print JSON")
    .action(async (id: string, options: Options) => exit(await task(id, options)));
}

/** Runs the command. Returns the exit code: 1 when no record is kept under that id. */
async function task(id: string, options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker) => {
    const found = await findTask(broker, id);
    const { record } = found;
    if (record === null) throw new CommandFailure(notFound(id, found, ` on ${broker.url}`));
    const logs = await broker.logs(id);
    if (options.json) printJson(taskAndLogView(record, logs));
    else printFields(taskFields(record, logs));
    return 0;
  });
}
