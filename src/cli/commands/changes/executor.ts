/**
 * `taskexe executor`: tells one executor, wherever it runs, to claim nothing, to go on, to leave, or to have other
 * slots.
 */
import type { Command } from "commander";
import { COMMANDS, type ExecutorCommand, MOST_SLOTS } from "../../../broker/contract/orders.ts";
import { orderExecutor, UnknownExecutorError } from "../../../operations/changes/order.ts";
import { type Options, settingsOf, withBrokerFlags } from "../../arguments/flags.ts";
import { durationOf } from "../../arguments/task-arguments.ts";
import { recordChange } from "../../changes/record-change.ts";
import { sayIfLost } from "../../output/outlets.ts";
import { note, printJson, printLine } from "../../output/print.ts";
import { CommandFailure, EXIT_FAILED, usageError } from "../../process/exit.ts";
import { withBroker } from "../../process/with-broker.ts";

/** How long it is waited for where nobody says, in ms. */
const WAIT_MS = 10_000;

/** What it does once it has taken the order. */
const DOES: Readonly<Record<ExecutorCommand, string>> = {
  quiet: "claims nothing until it is told to resume, or starts anew",
  resume: "claims again",
  drain: "leaves: what runs may finish within its grace",
  resize: "has other slots until it reloads its settings, or starts anew",
};

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("tell one executor of the fleet: quiet, resume, drain or resize")
    .argument("<name>", "the name of the executor, as `top` shows it")
    .argument("<command>", COMMANDS.join(", "))
    .argument("[slots]", "of a resize: how many tasks it runs at once")
    .option("--wait-timeout <duration>", "how long it is waited for (default: 10s); 0: not at all")
    .option("--json", "print JSON")
    .action(async (name: string, told: string, slots: string | undefined, options: Options) =>
      exit(await run(name, told, slots, options)),
    );
}

/** Runs the command. Returns the exit code: 1 where the executor has not told in time that it has done it. */
async function run(name: string, told: string, given: string | undefined, options: Options): Promise<number> {
  const command = COMMANDS.find((each) => each === told);
  if (command === undefined)
    throw usageError(`executor takes ${COMMANDS.join(", ")}, got ${JSON.stringify(told)}`, "executor");
  const slots = slotsOf(command, given);
  const waitMs = durationOf(options, "waitTimeout", "executor") ?? WAIT_MS;
  return withBroker(settingsOf(options), async (broker, scope) => {
    const taken = await ordered(() => orderExecutor(broker, name, { command, slots }, waitMs, scope.signal));
    await recordChange(broker, { what: `${command}Executor`, of: { name, slots }, count: 1 });
    sayIfLost(`the executor ${name} is told`);
    if (options.json) printJson({ name, command, ...(slots === undefined ? {} : { slots }), taken });
    else if (taken) printLine(`${name} ${DOES[command]}`);
    if (taken || waitMs === 0) return 0;
    note(`taskexe: ${name} has not answered yet; it is told with its next heartbeat, within a minute`, "warning");
    return EXIT_FAILED;
  });
}

async function ordered(ask: () => Promise<boolean>): Promise<boolean> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof UnknownExecutorError)) throw error;
    throw new CommandFailure(error.message);
  }
}

function slotsOf(command: ExecutorCommand, given: string | undefined): number | undefined {
  if (command !== "resize") {
    if (given === undefined) return undefined;
    throw usageError(`executor ${command} takes no number, got ${JSON.stringify(given)}`, "executor");
  }
  const slots = /^\d{1,5}$/.test(given ?? "") ? Number(given) : 0;
  if (slots >= 1 && slots <= MOST_SLOTS) return slots;
  throw usageError(
    `executor resize takes a number of slots from 1 to ${MOST_SLOTS}, got ${given ?? "nothing"}`,
    "executor",
  );
}
