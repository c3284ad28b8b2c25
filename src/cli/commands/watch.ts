/**
 * `taskexe watch ID`: follows a task until it has ended. Its log and its messages are lines of data; on a terminal a
 * bar below them shows how far it is, elsewhere each change is a line of its own. With --json each event is a line of
 * JSON.
 */
import type { Command } from "commander";
import { watchEventView } from "../../operations/views/watch-event-view.ts";
import { UnknownTaskError, type WatchEvent, watchTask } from "../../operations/watch/watch.ts";
import type { TaskRecord } from "../../task/record/record.ts";
import { type Options, settingsOf, withBrokerFlags } from "../arguments/flags.ts";
import { howMany } from "../output/how-many.ts";
import { standardError } from "../output/outlets.ts";
import { note, printed, printJson, printJsonLine, printLine } from "../output/print.ts";
import { clearBar, type ProgressBar, progressBar } from "../output/progress-bar.ts";
import { CommandFailure, EXIT_FAILED } from "../process/exit.ts";
import { goneText } from "../process/wait-for-task.ts";
import { withBroker } from "../process/with-broker.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("follow a task until it has ended; exits with 0 when it is done, else with 1")
    .argument("<id>", "the task's id")
    .option("--json", "print each event as a line of JSON")
    .action(async (id: string, options: Options) => exit(await watch(id, options)));
}

/** Runs the command. Returns the exit code: 0 when the task is done, 1 when it is dead, cancelled or not known. */
async function watch(id: string, options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker, scope) => {
    const shown = options.json ? new Lines() : standardError.isTerminal ? new Live(id) : new Plain(id);
    try {
      for await (const event of watchTask(broker, id, scope)) {
        shown.show(event);
        if (event.kind === "end") return shown.end(id, event.task);
        await printed(scope.signal);
      }
      return EXIT_FAILED;
    } catch (error) {
      if (error instanceof UnknownTaskError) throw new CommandFailure(`${error.message} on ${broker.url}`);
      throw error;
    } finally {
      shown.leave();
    }
  });
}

/** One line of JSON for each event. */
class Lines {
  show(event: WatchEvent): void {
    const { kind, data } = watchEventView(event);
    printJsonLine({ kind, ...data });
  }

  end(_id: string, task: TaskRecord | null): number {
    return task?.state === "done" ? 0 : EXIT_FAILED;
  }

  leave(): void {}
}

/** One line of text for each event. */
class Plain extends Lines {
  readonly #id: string;

  constructor(id: string) {
    super();
    this.#id = id;
  }

  override show(event: WatchEvent): void {
    // No data, and so not among the lines of data.
    if (event.kind === "waiting") note(`taskexe: ${this.#id} waits: ${event.reason}`);
    const text = textOf(event);
    if (text !== null) this.line(text);
  }

  line(text: string): void {
    // What stands at the begin of a line is ours.
    for (const [index, line] of text.split("\n").entries()) printLine(index === 0 ? line : `  ${line}`);
  }

  override end(id: string, task: TaskRecord | null): number {
    this.leave();
    if (task === null) {
      note(`taskexe: ${goneText(id)}`);
      return EXIT_FAILED;
    }
    if (task.state === "done") {
      printJson(task.result ?? null);
      return 0;
    }
    const why = task.reason ?? task.error?.message ?? "no reason is recorded";
    note(`taskexe: ${id} is ${task.state} after ${howMany(task.attempt, "attempt")}: ${why}`);
    return EXIT_FAILED;
  }
}

/** The same lines, above a bar. */
class Live extends Plain {
  readonly #bar: ProgressBar;
  #progress = 0;
  #state = "";
  #left = false;

  constructor(id: string) {
    super(id);
    this.#bar = progressBar(id, 1);
  }

  override show(event: WatchEvent): void {
    if (event.kind === "state") this.#state = event.state;
    if (event.kind === "progress") {
      this.#progress = event.progress;
      if (event.message !== "") super.line(event.message);
    } else if (event.kind === "waiting") {
      clearBar();
      super.show(event);
    } else if (event.kind === "log") super.show(event);
    this.#bar.update(Math.max(0, this.#progress), this.#state);
  }

  override line(text: string): void {
    // The bar is drawn again below the line.
    clearBar();
    super.line(text);
  }

  override leave(): void {
    if (this.#left) return;
    this.#left = true;
    clearBar();
  }
}

function textOf(event: WatchEvent): string | null {
  switch (event.kind) {
    case "state":
      return event.attempt > 1 ? `${event.state}, attempt ${event.attempt}` : event.state;
    case "log":
      return `${event.line.level}: ${event.line.text}`;
    case "progress":
      return `${percent(event.progress)} ${event.message}`.trimEnd();
    case "waiting":
    case "end":
      return null;
  }
}

function percent(progress: number): string {
  return progress < 0 ? "failed" : `${Math.round(progress * 100)} %`;
}
