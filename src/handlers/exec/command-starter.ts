/** What a command is started with, and what is known of it while it runs. Who starts it is not this side's business. */

export interface CommandOptions {
  readonly cwd: string;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string;
  /** It is over soon, so that a costly start is not worth its while. */
  readonly bound: "nobody";
  /** Beyond so many bytes of memory, with all that it started, it is killed; null: any number. */
  readonly memory: { readonly bytes: number; readonly beyond: "kill" } | null;
}

export interface RunningCommand {
  readonly child: {
    readonly stdout: ReadableStream<Uint8Array>;
    readonly stderr: ReadableStream<Uint8Array>;
  };
  /** Resolves once it has ended and nothing that it started is left. Never rejects. */
  readonly ended: Promise<CommandEnd>;
  /** Signals it and all of its group. */
  kill(signal: "SIGTERM" | "SIGKILL"): unknown;
}

export interface CommandEnd {
  readonly code: number | null;
  /** As `exit code 7` or `killed by SIGSEGV`. */
  readonly reason: string;
}

export interface CommandStarter {
  /** @throws (rejects) Error that names the command, and says why it cannot be started. */
  start(command: string, args: readonly string[], options: CommandOptions): Promise<RunningCommand>;
}
