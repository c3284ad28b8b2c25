/** `taskexe pause` and `taskexe resume`: a queue or a type, for the whole fleet; `pause` alone tells what is paused. */
import type { PauseTarget } from "../broker/administration.ts";
import { CREATES, withBroker } from "./client.ts";
import { usageError } from "./exit.ts";
import { checkQueue } from "./filters.ts";
import { type Options, settingsOf } from "./flags.ts";
import { sayIfLost } from "./outlets.ts";
import { printJson, printLine, printTable } from "./output.ts";

/** Runs `pause`. Returns the exit code. */
export async function pause(kind: string | undefined, name: string | undefined, options: Options): Promise<number> {
  if (kind === undefined) return tellPaused(options);
  const target = targetOf(kind, name, "pause");
  return withBroker(
    settingsOf(options),
    async (broker) => {
      await broker.pause(target);
      tell(target, true, options);
      return 0;
    },
    CREATES,
  );
}

/** Runs `resume`. Returns the exit code. */
export async function resume(kind: string, name: string, options: Options): Promise<number> {
  const target = targetOf(kind, name, "resume");
  return withBroker(settingsOf(options), async (broker) => {
    await broker.resume(target);
    tell(target, false, options);
    return 0;
  });
}

async function tellPaused(options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker) => {
    const paused = await broker.paused();
    if (options.json) printJson(paused);
    else if (paused.length === 0) printLine("nothing is paused");
    else
      printTable(
        ["paused", "name"],
        paused.map(({ kind, name }) => [kind, name]),
      );
    return 0;
  });
}

function targetOf(kind: string, name: string | undefined, command: string): PauseTarget {
  if (kind !== "queue" && kind !== "type") {
    throw usageError(`${command} takes queue NAME or type NAME, got ${JSON.stringify(kind)}`, command);
  }
  if (!name) throw usageError(`${command} ${kind} needs the NAME of the ${kind}`, command);
  if (kind === "queue") checkQueue(name, command);
  return { kind, name };
}

function tell(target: PauseTarget, paused: boolean, options: Options): void {
  const sentence = `the ${target.kind} ${target.name} ${paused ? "is paused" : "goes on"}`;
  sayIfLost(sentence);
  if (options.json) printJson({ ...target, paused });
  else printLine(sentence);
}
