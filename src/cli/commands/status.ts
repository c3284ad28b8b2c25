/**
 * `taskexe status`: what the executor at --listen (or --url) says of itself; where none answers, or a broker was asked
 * for by name, what the broker knows: its queues and who beats. An executor that works on another broker than the
 * configuration names is told with a note.
 */

import type { Command } from "commander";
import * as v from "valibot";
import type { Broker } from "../../broker/broker.ts";
import { placeOf } from "../../broker/drivers.ts";
import type { Settings } from "../../config/settings.ts";
import { seenQueues } from "../../operations/queues.ts";
import { brokerView } from "../../operations/views/broker-view.ts";
import { memberView } from "../../operations/views/member-view.ts";
import { isoWithOffset } from "../../task/times/iso-time.ts";
import { type Options, settingsOf, withBrokerFlags } from "../arguments/flags.ts";
import { note, printJson, printText } from "../output/print.ts";
import { showExecutor, showFleet } from "../output/show-status.ts";
import { type Asked, addressOf, ask } from "../process/ask-executor.ts";
import { CommandFailure, usageError } from "../process/exit.ts";
import { type ExecutorAnswer, ExecutorAnswerSchema } from "../process/status-answer.ts";
import { brokerOf, withBroker } from "../process/with-broker.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("show what the executor of this machine does, else what the broker knows")
    .option("--listen <host:port>", "where the executor listens, or unix:/PATH")
    .option("--url <url>", "the address of an executor's HTTP, on any machine")
    .option("--queues <names>", "the queues to count, with commas between them")
    .option("--tree", "show what lives in that executor and its runners just now, each attempt with the id of its task")
    .option("--json", "print JSON")
    .action(async (options: Options) => exit(await status(options)));
}

/** Runs the command. Returns the exit code. */
async function status(options: Options): Promise<number> {
  const settings = settingsOf(options);
  const asked = addressOf(settings, options);
  if (options.tree) return showTree(asked, options);
  if (asked !== null) {
    const answer = readStatus(await ask(asked, asked.url));
    if (typeof answer !== "string") {
      await noteOtherBroker(settings, asked.shown, answer.checked.broker.url);
      if (options.json) printJson(answer.whole);
      else showExecutor(answer.checked);
      return 0;
    }
    if (options.url) throw noAnswer(asked, answer);
    note(`taskexe: no executor answers at ${asked.shown} (${answer}); this is what the broker knows`);
  }
  return withBroker(settings, (broker) => tellBroker(broker, options));
}

const SOMETHING_ELSE = "something else than an executor answered";

function readStatus(
  answer: Awaited<ReturnType<typeof ask>>,
): { readonly whole: unknown; readonly checked: ExecutorAnswer } | string {
  if (typeof answer === "string") return answer;
  const whole = json(answer.text);
  const checked = v.safeParse(ExecutorAnswerSchema, whole);
  return checked.success ? { whole, checked: checked.output } : SOMETHING_ELSE;
}

/** A broker knows nothing of it: where no executor answers, that is all there is to say. */
async function showTree(asked: Asked | null, options: Options): Promise<number> {
  if (asked === null) throw usageError("--tree asks an executor: say which one with --listen or --url", "status");
  const url = new URL(asked.url);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/tree`;
  if (!options.json) url.searchParams.set("format", "text");
  const answer = await ask(asked, url);
  if (typeof answer === "string") throw noAnswer(asked, answer);
  if (!options.json) printText(answer.text);
  else {
    const tree = json(answer.text);
    if (tree === undefined) throw noAnswer(asked, SOMETHING_ELSE);
    printJson(tree);
  }
  return 0;
}

function noAnswer({ whole }: Asked, why: string): CommandFailure {
  return new CommandFailure(`no executor answers at ${whole}: ${why}`);
}

/** Undefined for what is no JSON. */
function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Whoever named a broker means that one: what an executor on another one does is easily taken for it. */
async function noteOtherBroker(settings: Settings, executor: string, worksOn: string): Promise<void> {
  if (settings.origins.broker === "default") return;
  const meant = await brokerOf(settings, null);
  await meant.close();
  if (placeOf(meant.url) === placeOf(worksOn)) return;
  const named = `${meant.url} (${settings.origins.broker})`;
  note(`taskexe: the executor at ${executor} works on ${worksOn}, not on ${named}; --listen off asks that one`);
}

async function tellBroker(broker: Broker, options: Options): Promise<number> {
  const { queues, fleet, leftOut } = await seenQueues(broker);
  const backlog = await broker.backlog();
  const countedAt = broker.now();
  const answer = { broker: brokerView(broker), queues, queues_left_out: leftOut, ...backlog };
  if (options.json) printJson({ ...answer, counted_at: isoWithOffset(countedAt), fleet: fleet.map(memberView) });
  else showFleet({ ...answer, countedAt, fleet });
  return 0;
}
