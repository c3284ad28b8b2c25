/** Where the program that is measured lies, and how its processes are started. */
import { accessSync, constants } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Running, run, start } from "../processes.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const COMPILED = `${ROOT}dist/taskexe`;

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  /** How it is called in tables. */
  readonly label: string;
}

/** The compiled executable where there is one, else the source on this runtime. */
export function program(): Program {
  try {
    accessSync(COMPILED, constants.X_OK);
    return { command: COMPILED, args: [], label: "compiled" };
  } catch {
    return { command: process.execPath, args: [`${ROOT}src/main.ts`], label: "from source" };
  }
}

/** The environment of what is measured: no setting of the user's shell reaches it. */
export function environment(home: string): Record<string, string> {
  return { PATH: process.env.PATH ?? "", HOME: home, STATE_DIRECTORY: home, NODE_ENV: "production" };
}

export interface ExecutorSettings {
  readonly broker: string;
  readonly concurrency: number;
  /** A folder of its own: home and state of the executor. */
  readonly home: string;
  /** Where HTTP answers on 127.0.0.1; 0: any free port. */
  readonly httpPort: number;
  /** A file with handlers besides the built-in ones. */
  readonly tasks?: string;
  /** A configuration file; default: what the program looks for by itself. */
  readonly config?: string;
  /** Further flags of `taskexe run`. */
  readonly flags?: Readonly<Record<string, string>>;
  readonly extraEnvironment?: Readonly<Record<string, string>>;
}

/** Starts an executor as its users do: its own process, HTTP on, everything else at its default. */
export function startExecutor(settings: ExecutorSettings): Promise<Running> {
  const { command, args } = program();
  const flags = {
    "--broker": settings.broker,
    "--concurrency": String(settings.concurrency),
    "--listen": `127.0.0.1:${settings.httpPort}`,
    "--log": "json",
    ...(settings.tasks === undefined ? {} : { "--tasks": settings.tasks }),
    ...(settings.config === undefined ? {} : { "--config": settings.config }),
    ...settings.flags,
  };
  return start(command, [...args, "run", ...Object.entries(flags).flat()], {
    cwd: settings.home,
    env: { ...environment(settings.home), ...settings.extraEnvironment },
  });
}

/** Runs another command of the program to its end. */
export function runProgram(home: string, ...args: readonly string[]): Promise<string> {
  const { command, args: before } = program();
  return run(command, [...before, ...args], { cwd: home, env: environment(home) });
}
