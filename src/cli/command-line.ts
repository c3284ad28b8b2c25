/**
 * From the arguments to one command: its help, its flags, its exit code. What a command does is in the file of its
 * name, imported only when it is the one; what a setting may be is the configuration's.
 */
import { Command, CommanderError } from "commander";
import { didYouMean } from "../config/nearest.ts";
import { shownName } from "../config/redact.ts";
import { SECRET_VARIABLES } from "../config/sources.ts";
import { hideEnvironment } from "../runtime/hide-environment.ts";
import { VERSION } from "../version.ts";
import { addCronCommands } from "./cron-commands.ts";
import { exitSoon, exitWhenWritten, surviveClosedOutputs, usageError } from "./exit.ts";
import { type Options, withBrokerFlags, withExecutorFlags, withRunFlags } from "./flags.ts";
import { ENVIRONMENT_HELP } from "./help.ts";
import { noteText, printText } from "./output.ts";
import { reportFailure } from "./report-failure.ts";
import { addTaskCommands } from "./task-commands.ts";

/**
 * Runs the command that `argv` (without the program's own name) asks for, then ends the process: 0 fine, 1 failed,
 * 2 called wrongly. Never rejects.
 */
export async function runCommandLine(argv: readonly string[]): Promise<never> {
  surviveClosedOutputs();
  // For as long as this process lives: see runtime/hide-environment.ts. Where it cannot be done nothing is worse.
  hideEnvironment(SECRET_VARIABLES);
  let leave = exitWhenWritten;
  const code = await exitCodeOf(argv, () => {
    leave = exitSoon;
  });
  return leave(code);
}

/** @param isExecutor Called when the command is the executor. */
async function exitCodeOf(argv: readonly string[], isExecutor: () => void): Promise<number> {
  let code = 0;
  const program = commands(isExecutor, (exitCode) => {
    code = exitCode;
  });
  try {
    refuseUnknownCommand(program, argv[0]);
    await program.parseAsync(argv, { from: "user" });
    return code;
  } catch (error) {
    // Help that was asked for arrives as an error too; Commander has written its own messages already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return reportFailure(error);
  }
}

type SetExitCode = (code: number) => void;

function commands(isExecutor: () => void, exit: SetExitCode): Command {
  const program = new Command("taskexe")
    .description("Runs background tasks: nothing lost, nothing leaked, a cancel means cancel.")
    .version(VERSION)
    .exitOverride()
    .showHelpAfterError("See taskexe --help, or taskexe COMMAND --help")
    .configureOutput({
      writeOut: printText,
      writeErr: noteText,
      outputError: (text, write) => write(withoutValue(text.replace(/^error: /, "taskexe: "))),
    })
    .addHelpText("after", ENVIRONMENT_HELP);

  withExecutorFlags(
    program.command("run", { isDefault: true }).description("run tasks until told to stop (the default command)"),
  ).action(async (options: Options) => {
    isExecutor();
    exit(await (await import("./run.ts")).run(options));
  });

  withRunFlags(withBrokerFlags(program.command("enqueue")))
    .description("enqueue a task and print its id, or many from a file of JSON lines")
    .usage("[options] TYPE [JSON | @FILE | -]\n       taskexe enqueue [options] --jsonl FILE|-")
    .argument("[type]", "the type of the task")
    .argument("[payload]", "the payload as JSON, as @FILE to read it from, or - for standard input")
    .option("--id <id>", "the id; enqueueing the same id again changes nothing (default: a new one)")
    .option("--queue <name>", "the queue", "common")
    .option("--priority <number>", "0 is ordinary, 1 is urgent; up to 9 where the setting priorities says so", "0")
    .option("--delay <duration>", "queue it only after this time")
    .option("--at <time>", "queue it then: 2026-01-31T12:00:00Z, or Unix ms")
    .option("--deadline <time>", "when it must have ended: a duration from now, 2026-01-31T12:00:00Z, or Unix ms")
    .option("--wait", "wait for the end and print the result; why it waits is told after 2 s")
    .option("--wait-timeout <duration>", "wait no longer than this and exit with 1; the task goes on")
    .option("--jsonl <file>", 'a task a line: {"type","payload","id"?,"queue"?,...}; - for standard input')
    .option("--json", "print JSON")
    .action(async (type: string | undefined, payload: string | undefined, options: Options) =>
      exit(await (await import("./enqueue.ts")).enqueue(type, payload, options)),
    );

  withBrokerFlags(program.command("task"))
    .description("show the record of a task")
    .argument("<id>", "the task's id")
    .option("--json", "print JSON")
    .action(async (id: string, options: Options) => exit(await (await import("./task.ts")).task(id, options)));

  withBrokerFlags(program.command("cancel"))
    .description("cancel tasks: waiting ones at once, running ones within a second")
    .argument("[id...]", "ids of tasks")
    .option("--type <type>", "all of this type")
    .option("--queue <name>", "all in this queue")
    .option("--json", "print JSON")
    .action(async (ids: string[], options: Options) => exit(await (await import("./cancel.ts")).cancel(ids, options)));

  addTaskCommands(program, exit);
  addCronCommands(program.command("cron").description("schedules: list, show, add, remove, run, pause, resume"), exit);

  withBrokerFlags(program.command("status"))
    .description("show what the executor of this machine does, else what the broker knows")
    .option("--listen <host:port>", "where the executor listens, or unix:/PATH")
    .option("--url <url>", "the address of an executor's HTTP, on any machine")
    .option("--queues <names>", "the queues to count, with commas between them")
    .option("--json", "print JSON")
    .action(async (options: Options) => exit(await (await import("./status.ts")).status(options)));

  program
    .command("version")
    .description("print the version")
    .option("--json", "print JSON")
    .action(async (options: Options) => (await import("./version.ts")).version(options));

  return program;
}

/** Of a mistyped flag only the name: what was glued to it may be an address with a password. */
function withoutValue(text: string): string {
  return text.replace(/(unknown option ')(--[\w-]*|-\w?)[^\n]*'(?=\n|$)/, "$1$2'");
}

// `run` is the default, so Commander would take a mistyped command for an argument of it.
function refuseUnknownCommand(program: Command, name: string | undefined): void {
  if (name === undefined || name.startsWith("-")) return;
  const known = [...program.commands.map((command) => command.name()), "help"];
  if (!known.includes(name)) throw usageError(`unknown command ${shownName(name)}${didYouMean(name, known)}`);
}
