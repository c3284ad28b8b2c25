/**
 * From the arguments to one command: its help, its flags, its exit code. What a command takes and does is in the file
 * of its name in commands/; what a setting may be is the configuration's.
 */
import { Command, CommanderError } from "commander";
import { didYouMean } from "../config/nearest.ts";
import { shownName } from "../config/redact.ts";
import { SECRET_VARIABLES } from "../config/sources.ts";
import { hideEnvironment } from "../runtime/process/hide-environment.ts";
import { VERSION } from "../version.ts";
import { ENVIRONMENT_HELP } from "./arguments/help.ts";
import { addCommands } from "./commands/command-file.ts";
import { COMMANDS, DEFAULT_COMMAND, EXECUTORS } from "./commands/index.ts";
import { noteText, printText } from "./output/print.ts";
import { reportFailure } from "./output/report-failure.ts";
import { exitSoon, exitWhenWritten, surviveClosedOutputs, usageError } from "./process/exit.ts";

/**
 * Runs the command that `argv` (without the program's own name) asks for, then ends the process: 0 fine, 1 failed,
 * 2 called wrongly. Never rejects.
 */
export async function runCommandLine(argv: readonly string[]): Promise<never> {
  surviveClosedOutputs();
  // For as long as this process lives: see hide-environment.ts. Where it cannot be done nothing is worse.
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
  try {
    const program = newProgram();
    program.hook("preAction", (_program, command) => {
      if (EXECUTORS.includes(command.name()) && command.parent === program) isExecutor();
    });
    const exit = (exitCode: number): void => {
      code = exitCode;
    };
    await addCommands(program, COMMANDS, exit, { names: wanted(argv), byDefault: DEFAULT_COMMAND });
    await program.parseAsync(argv, { from: "user" });
    return code;
  } catch (error) {
    // Help that was asked for arrives as an error too; Commander has written its own messages already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return reportFailure(error);
  }
}

function newProgram(): Command {
  return new Command("taskexe")
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
}

/**
 * The commands to be known: the one that is named, else the default one; all where the help shows them.
 *
 * @throws CommandFailure for a name that there is not: Commander would take it for an argument of the default command.
 */
function wanted([first, ...rest]: readonly string[]): readonly string[] {
  const names = Object.keys(COMMANDS);
  const isFlag = first === undefined || first.startsWith("-");
  if (first === "help" || (isFlag && [first, ...rest].some((each) => each === "-h" || each === "--help"))) return names;
  if (isFlag) return [DEFAULT_COMMAND];
  if (names.includes(first)) return [first];
  const known = [...names, "help"];
  throw usageError(`unknown command ${shownName(first)}${didYouMean(first, known)}`);
}

/** Of a mistyped flag only the name, of arguments too many only the number: each may be an address with a password. */
function withoutValue(text: string): string {
  return text
    .replace(/(unknown option ')(--[\w-]*|-\w?)[^\n]*'(?=\n|$)/, "$1$2'")
    .replace(/(too many arguments for [^\n]*? but got \d+): [^\n]*/, "$1.");
}
