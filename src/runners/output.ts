/**
 * What a runner writes to its standard output and standard error: lines of the log. Of a run that has its runner for
 * itself they are that task's; else the executor's, so many in a second, and the rest is counted. A pipe that is full
 * holds its writer back: it is read at the pace at which it is looked at.
 */
import { getLogger } from "@logtape/logtape";
import { turn } from "../concurrency/turn.ts";
import { cutText } from "../runtime/cut-text.ts";
import type { Run } from "./run.ts";
import type { Runner } from "./runner.ts";

const logger = getLogger(["taskexe", "runners"]);

/** How a line begins in which a runner of ours says why it ends. */
const LAST_WORDS = "taskexe: ";
const MOST_LINES = 100;
const SECOND_MS = 1_000;
/** The longest line; a longer one is cut into several. */
const MOST_CHARACTERS = 8_000;

/** Passes both on until they end. */
export async function passOutputOn(runner: Runner): Promise<void> {
  const { stdout, stderr } = runner.process;
  await Promise.all([passOn(runner, stdout, "info"), passOn(runner, stderr, "warn")]);
  runner.outputEnd.resolve();
}

async function passOn(runner: Runner, stream: ReadableStream<Uint8Array>, level: "info" | "warn"): Promise<void> {
  const lines = new OutputLines(runner, level);
  const decoder = new TextDecoder();
  try {
    for await (const bytes of stream) {
      lines.add(decoder.decode(bytes, { stream: true }));
      await turn();
    }
  } catch (error) {
    logger.debug("the output of runner {pid} has broken off: {error}", { pid: runner.process.pid, error });
  }
  lines.end();
}

class OutputLines {
  readonly #runner: Runner;
  readonly #level: "info" | "warn";
  #rest = "";
  #since = performance.now();
  #lines = 0;
  #dropped = 0;

  constructor(runner: Runner, level: "info" | "warn") {
    this.#runner = runner;
    this.#level = level;
  }

  add(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#write(line);
    for (; this.#rest.length > MOST_CHARACTERS; this.#rest = this.#rest.slice(MOST_CHARACTERS)) {
      this.#write(this.#rest.slice(0, MOST_CHARACTERS));
    }
  }

  end(): void {
    if (this.#rest !== "") this.#write(this.#rest);
    this.#tellDropped();
  }

  #write(line: string): void {
    const now = performance.now();
    if (now - this.#since >= SECOND_MS) {
      this.#tellDropped();
      this.#since = now;
      this.#lines = 0;
    }
    if (++this.#lines > MOST_LINES) {
      this.#dropped++;
      return;
    }
    this.#tell(line.slice(0, MOST_CHARACTERS));
  }

  #tell(text: string): void {
    if (text.startsWith(LAST_WORDS)) this.#runner.lastWords = text.slice(LAST_WORDS.length);
    if (this.#level === "warn" && !this.#runner.isReady) {
      this.#runner.firstErrors = cutText(`${this.#runner.firstErrors}${text}\n`, MOST_CHARACTERS);
      return;
    }
    const run = onlyRun(this.#runner);
    if (run !== null) {
      run.attempt.writeLog({
        level: this.#level,
        text: text.replace(/[{}]/g, "$&$&"),
        ...{ properties: null, plain: text },
      });
      return;
    }
    logger[this.#level]("runner {pid}: {text}", { pid: this.#runner.process.pid, text });
  }

  #tellDropped(): void {
    if (this.#dropped === 0) return;
    const text = `${this.#dropped} lines of output were dropped: more than ${MOST_LINES} in a second`;
    this.#dropped = 0;
    this.#tell(text);
  }
}

/** The run that it has for itself; null: it is shared, or has none. */
function onlyRun(runner: Runner): Run | null {
  return runner.isShared || runner.size !== 1 ? null : (runner.runs()[0] ?? null);
}
