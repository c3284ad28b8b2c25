/** `taskexe token new`: makes a token and prints it once, with the table that is put into the tokens file. */
import type { Command } from "commander";
import * as v from "valibot";
import { ROLES } from "../../../http/api/guard/roles.ts";
import { newToken, TokenNameSchema } from "../../../http/api/guard/tokens-file.ts";
import { checkQueue, choice } from "../../arguments/filters.ts";
import type { Options } from "../../arguments/flags.ts";
import { note, printJson, printLine, printText } from "../../output/print.ts";
import { usageError } from "../../process/exit.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  command
    .description("make a token for the tokens file; it is shown once")
    .argument("<name>", "its name, as records of changes tell it")
    .option("--role <role>", `${ROLES.join(", ")} (default: read)`)
    .option("--queue <name>", "limit it to this queue; can be given more than once", gathered)
    .option("--json", "print JSON")
    .action((name: string, options: Options) => exit(tokenNew(name, options)));
}

/** Runs `token new`. Returns the exit code. */
function tokenNew(name: string, options: Options): number {
  const named = v.safeParse(TokenNameSchema, name);
  if (!named.success) throw usageError(`NAME: expected ${named.issues[0].message}`, "token new");
  const role = choice(options, "role", ROLES, "token new") ?? "read";
  const queues = Array.isArray(options.queue) ? options.queue.map(String) : [];
  for (const queue of queues) checkQueue(queue, "token new");
  const { token, entry } = newToken(named.output, role, [...new Set(queues)]);
  if (options.json) {
    printJson({ token, entry });
    return 0;
  }
  note("taskexe: the token is shown this once; the table goes into the tokens file, and a SIGHUP has it read");
  printLine(token);
  printText(`\n${entry}`);
  return 0;
}

function gathered(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}
