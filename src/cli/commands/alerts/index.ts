/** `taskexe alerts`: what is not right, as the executor that listens on this machine sees it. */
import type { Command } from "commander";
import * as v from "valibot";
import { readToken } from "../../../http/api/guard/token.ts";
import { type Options, settingsOf, withBrokerFlags } from "../../arguments/flags.ts";
import { printJson, printLine, printTable } from "../../output/print.ts";
import { addressOf, ask } from "../../process/ask-executor.ts";
import { CommandFailure, usageError } from "../../process/exit.ts";

const AnswerSchema = v.object({
  alerts: v.array(
    v.looseObject({
      ...{ name: v.string(), severity: v.string(), since: v.number(), summary: v.string() },
      ...{ value: v.number(), threshold: v.number() },
    }),
  ),
});

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("tell what is not right, as an executor sees it")
    .option("--listen <host:port>", "where the executor listens, or unix:/PATH")
    .option("--url <url>", "the address of an executor's HTTP, on any machine")
    .option("--json", "print JSON")
    .action(async (options: Options) => exit(await alerts(options)));
}

/** Runs the command. Returns the exit code. */
async function alerts(options: Options): Promise<number> {
  const settings = settingsOf(options);
  const asked = addressOf(settings, options);
  if (asked === null) throw usageError("an executor is asked: say which one with --listen or --url", "alerts");
  const { TASKEXE_TOKEN: given, CREDENTIALS_DIRECTORY: credentials } = process.env;
  const { token } = readToken({ token: given, file: settings.tokenFile, credentials });
  const answer = await ask(asked, new URL("/api/v1/alerts", asked.url), token);
  if (typeof answer === "string") throw new CommandFailure(`no executor tells of alerts at ${asked.whole}: ${answer}`);
  const read = v.safeParse(AnswerSchema, JSON.parse(answer.text));
  if (!read.success) throw new CommandFailure(`something else than an executor answered at ${asked.whole}`);
  const { alerts: all } = read.output;
  if (options.json) printJson(read.output);
  else if (all.length === 0) printLine("all is well");
  else
    printTable(
      ["severity", "alert", "since", "what"],
      all.map(({ severity, name, since, summary }) => [severity, name, new Date(since).toISOString(), summary]),
    );
  return 0;
}
