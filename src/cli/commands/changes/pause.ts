/** `taskexe pause`: a queue or a type, for the whole fleet; alone it tells what is paused. */
import type { Command } from "commander";

import { pause as pauseTarget } from "../../../operations/pauses.ts";
import { pausedView } from "../../../operations/views/pause-view.ts";
import { InvalidTaskError } from "../../../task/message/new-task.ts";

import { type Options, settingsOf, withBrokerFlags } from "../../arguments/flags.ts";
import { pauseTargetOf } from "../../arguments/pause-target.ts";
import { recordChange } from "../../changes/record-change.ts";
import { printJson, printLine, printTable } from "../../output/print.ts";
import { printPaused } from "../../output/print-paused.ts";
import { CommandFailure } from "../../process/exit.ts";
import { CREATES, withBroker } from "../../process/with-broker.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("let nothing of a queue or a type start, in the whole fleet; alone: tell what is paused")
    .argument("[kind]", "queue or type")
    .argument("[name]", "its name")
    .option("--json", "print JSON")
    .action(async (kind: string | undefined, name: string | undefined, options: Options) =>
      exit(await pause(kind, name, options)),
    );
}

/** Runs `pause`. Returns the exit code. */
async function pause(kind: string | undefined, name: string | undefined, options: Options): Promise<number> {
  if (kind === undefined) return tellPaused(options);
  const target = pauseTargetOf(kind, name, "pause");
  return withBroker(
    settingsOf(options),
    async (broker) => {
      const view = await pauseTarget(broker, target).catch((error: unknown) => {
        throw error instanceof InvalidTaskError ? new CommandFailure(error.message) : error;
      });
      const { kind: of } = target;
      await recordChange(broker, { what: of === "queue" ? "pauseQueue" : "pauseType", of: target, count: 1 });
      printPaused(view, options);
      return 0;
    },
    CREATES,
  );
}

async function tellPaused(options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker) => {
    const paused = await broker.paused();
    if (options.json) printJson(pausedView(paused));
    else if (paused.length === 0) printLine("nothing is paused");
    else
      printTable(
        ["paused", "name"],
        paused.map(({ kind, name }) => [kind, name]),
      );
    return 0;
  });
}
