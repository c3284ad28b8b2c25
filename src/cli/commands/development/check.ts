/**
 * `taskexe check`: whether an executor with these settings could run: settings, token, state, broker, handler files,
 * tables. All of it is looked at, whatever is wrong with a part, and nothing is changed; handler files are imported, as
 * an executor imports them.
 */
import type { Command } from "commander";
import { wholeAddress } from "../../../broker/drivers.ts";
import { setHome } from "../../../client/home.ts";
import { ConfigError } from "../../../config/config-error.ts";
import type { Settings } from "../../../config/settings.ts";
import { pathOfState } from "../../../config/state-directory.ts";
import { builtinRegistry } from "../../../handlers/builtin.ts";
import { HandlerLoadError, loadHandlers } from "../../../handlers/loading/load-handlers.ts";
import type { HandlerRegistry } from "../../../handlers/registry.ts";
import { readToken } from "../../../http/api/guard/token.ts";
import { readTokens } from "../../../http/api/guard/tokens-file.ts";
import { providedModules } from "../../../provide/index.ts";
import { runtime } from "../../../runtime/index.ts";
import { type Options, settingsOf, withExecutorFlags } from "../../arguments/flags.ts";
import { checkBroker } from "../../check/check-broker.ts";
import { checkTables } from "../../check/check-tables.ts";
import { type Finding, fine, problem, warning } from "../../check/finding.ts";
import { howMany } from "../../output/how-many.ts";
import { printJson, printLine } from "../../output/print.ts";
import { describe } from "../../output/report-failure.ts";
import { EXIT_USAGE } from "../../process/exit.ts";
import { watchExits } from "../../process/exit-watch.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withExecutorFlags(command)
    .description("look whether an executor could run with these settings and handlers; changes nothing")
    .option("--offline", "do not ask the broker's server")
    .option("--json", "print JSON")
    .action(async (options: Options) => exit(await check(options)));
}

async function check(options: Options): Promise<number> {
  const findings = await findingsOf(options);
  const ok = findings.every(({ verdict }) => verdict !== "problem");
  if (options.json) printJson({ ok, findings });
  else for (const one of findings) for (const line of linesOf(one)) printLine(line);
  return ok ? 0 : EXIT_USAGE;
}

function linesOf({ part, verdict, what, advice }: Finding): string[] {
  const line = `${verdict.padEnd(8)} ${part.padEnd(9)} ${what}`;
  return advice === null ? [line] : [line, `${" ".repeat(18)} -> ${advice}`];
}

async function findingsOf(options: Options): Promise<Finding[]> {
  let settings: Settings;
  try {
    settings = settingsOf(options);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map((each) => problem("settings", each));
    throw error;
  }
  const warnings = [...settings.warnings, ...(settings.exposure === null ? [] : [settings.exposure])];
  const { registry, findings } = await checkHandlers(settings);
  return [
    ...(warnings.length === 0 ? [fine("settings", told(settings))] : warnings.map((each) => warning("settings", each))),
    ...checkToken(settings),
    ...checkState(settings),
    await checkBroker(settings, options.offline !== true),
    ...findings,
    ...checkTables(settings.tables, settings.broker, (type) => registry.sourceOf(type)),
  ];
}

function told({ queues, concurrency, origins }: Settings): string {
  const from = new Set(Object.values(origins).map((origin) => origin.replace(/:[^:]*$/, "")));
  from.delete("default");
  const sources = from.size === 0 ? "all by default" : `from ${[...from].sort().join(", ")}`;
  return `queues ${queues.join(",")}, ${concurrency} at once; ${sources}`;
}

function checkToken({ tokenFile, tokensFile }: Settings): Finding[] {
  const { TASKEXE_TOKEN: token, CREDENTIALS_DIRECTORY: credentials } = process.env;
  try {
    const read = readToken({ token, file: tokenFile, credentials });
    const file = tokensFile === null ? null : readTokens(tokensFile);
    const warnings = [read.warning, file?.warning ?? null].filter((each) => each !== null);
    if (warnings.length > 0) return warnings.map((each) => warning("token", each));
    const many =
      file === null
        ? []
        : [fine("token", `the HTTP API takes ${howMany(file.entries.length, "token")} of ${tokensFile}`)];
    return read.token === null ? many : [fine("token", "the HTTP API asks for it"), ...many];
  } catch (error) {
    return [problem("token", describe(error).join("; "))];
  }
}

/** Where the executor keeps its name. */
function checkState({ name, stateDirectory }: Settings): Finding[] {
  if (name !== null) return [];
  try {
    return [fine("state", pathOfState(stateDirectory, "the executor's name", "--name"))];
  } catch (error) {
    return [problem("state", describe(error).join("; "))];
  }
}

async function checkHandlers(settings: Settings): Promise<{ registry: HandlerRegistry; findings: Finding[] }> {
  const { tasks, broker, queues, retentionMs, priorities } = settings;
  // What a file connects to while it is imported is what it would get in an executor.
  setHome({ url: wholeAddress(broker), queues, retentionMs, priorities });
  let importing: string | null = null;
  const stray: Finding[] = [];
  const undoFatal = runtime.onFatal((error) => {
    const where = importing === null ? "after the handlers were imported" : `while ${importing} was imported`;
    stray.push(problem("handlers", `an error that nobody caught, ${where}: ${describe(error).join("; ")}`));
  });
  const exitIsOurs = watchExits(settings.log, () => importing);
  try {
    const registry = await loadHandlers(tasks, providedModules, (file) => {
      importing = file;
    });
    const own = registry.types().filter((type) => registry.sourceOf(type) !== "built-in");
    const found = own.map((type) => fine("handlers", `${type}: ${registry.sourceOf(type)}`));
    const none = tasks.length === 0 ? [fine("handlers", "none but the built-in ones: no --tasks")] : [];
    return { registry, findings: [...found, ...none, ...stray] };
  } catch (error) {
    if (!(error instanceof HandlerLoadError)) throw error;
    const found = error.problems.map(({ file, what, advice }) => problem("handlers", `${file}: ${what}`, advice));
    return { registry: builtinRegistry(), findings: [...found, ...stray] };
  } finally {
    exitIsOurs();
    undoFatal();
  }
}
