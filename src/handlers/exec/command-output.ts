/**
 * What a command writes: lines `progress 0.4 message` are progress, the last line of its standard output that is JSON
 * is the result, and all else goes to the log, its errors as warnings. All of it is bounded: lines in their length, the
 * log in a second, progress to the last of each chunk. The end of its errors is kept for the message of a failure.
 */
import { clip } from "../../concurrency/unknown-values.ts";
import { cutText, MAX_SHOWN_LINE } from "../../runtime/cut-text.ts";
import type { HandlerAttempt } from "../handler.ts";
import { keepResult, omit, type ResultReading } from "../in-process/read-result.ts";
import { problemOfJson } from "../json-problem.ts";
import { LogAllowance } from "./log-allowance.ts";
import { firstBytes, MAX_OUTPUT_LINE, type OutputLine, OutputLines } from "./output-lines.ts";

const PROGRESS = /^progress (\d(?:\.\d{1,9})?|\.\d{1,9})(?: (.*))?$/s;
/** How JSON begins, and in a flood: what may be JSON or progress. */
const JSON_START = /^(?:[{["\d-]|true$|false$|null$)/;
const TELLING = firstBytes('{["-0123456789tfnp');
/** So many of the last lines that begin as JSON does are held: which of them is the result is known at the end. */
const MOST_CANDIDATES = 16;
/** How much of the end of its errors stands in the message of a failure, in characters. */
const ERROR_END = 2_000;

const UTF8 = new TextDecoder();
const NO_RESULT: ResultReading = { json: null, omitted: null };

type Told = Pick<HandlerAttempt, "tellProgress" | "writeLog">;

export class CommandOutput {
  readonly #told: Told;
  readonly #out = new OutputLines(TELLING);
  readonly #err = new OutputLines(firstBytes(""));
  readonly #allowance = new LogAllowance();
  readonly #now: () => number;
  #candidates: OutputLine[] = [];
  #candidatesLength = 0;
  #errorEnd = "";

  /** @param now - in ms, on any scale that only goes on. */
  constructor(told: Told, now: () => number = () => performance.now()) {
    this.#told = told;
    this.#now = now;
  }

  /** The end of its errors, as far as it was read; may be empty. */
  get errorEnd(): string {
    return this.#errorEnd.trim();
  }

  out(bytes: Uint8Array): void {
    this.#takeOut(this.#out.push(bytes, !this.#allowance.hasRoom(this.#now())));
    this.#allowance.drop(this.#out.takeSkipped());
  }

  err(bytes: Uint8Array): void {
    this.#errorEnd = `${this.#errorEnd}${UTF8.decode(bytes.subarray(-ERROR_END))}`.slice(-ERROR_END);
    this.#takeErr(this.#err.push(bytes, !this.#allowance.hasRoom(this.#now())));
    this.#allowance.drop(this.#err.takeSkipped());
  }

  /** It has ended: the last lines are taken, and the result is found. */
  end(): ResultReading {
    this.#takeOut(this.#out.end());
    this.#takeErr(this.#err.end());
    const result = this.#takeResult();
    for (const line of this.#candidates) this.#log("info", line);
    this.#candidates = [];
    this.#tellDropped();
    return result;
  }

  #takeOut(lines: readonly OutputLine[]): void {
    let progress: readonly [number, string] | null = null;
    for (const line of lines) {
      const read = line.text.startsWith("progress ") ? progressIn(line.text) : null;
      if (read !== null) progress = read;
      else if (JSON_START.test(line.text)) this.#hold(line);
      else this.#log("info", line);
    }
    if (progress !== null) this.#told.tellProgress(...progress);
  }

  #takeErr(lines: readonly OutputLine[]): void {
    for (const line of lines) this.#log("warn", line);
  }

  /** Holds a line that may be the result; those that are not are logged, later than they came. */
  #hold(line: OutputLine): void {
    this.#candidates.push(line);
    this.#candidatesLength += line.text.length;
    while (this.#candidates.length > MOST_CANDIDATES || this.#candidatesLength > 2 * MAX_OUTPUT_LINE) {
      const [oldest] = this.#candidates.splice(0, 1);
      if (oldest === undefined) return;
      this.#candidatesLength -= oldest.text.length;
      this.#log("info", oldest);
    }
  }

  #takeResult(): ResultReading {
    for (let at = this.#candidates.length - 1; at >= 0; at--) {
      const line = this.#candidates[at];
      if (line === undefined || (!line.isCut && !isJson(line.text))) continue;
      this.#candidates.splice(at, 1);
      if (line.isCut) return omit(`its line is longer than ${MAX_OUTPUT_LINE} characters`);
      const problem = problemOfJson(line.text);
      return problem === null ? keepResult(line.text) : omit(problem);
    }
    return NO_RESULT;
  }

  #log(level: "info" | "warn", { text, isCut }: OutputLine): void {
    const shown = cutText(isCut ? `${text}...` : text, MAX_SHOWN_LINE);
    if (!this.#allowance.takes(shown.length, this.#now())) return;
    this.#tellDropped();
    this.#write(level, shown);
  }

  #tellDropped(): void {
    const dropped = this.#allowance.takeDropped();
    if (dropped > 0) this.#write("warn", `${dropped} more lines of its output were left out: too many in a second`);
  }

  #write(level: "info" | "warn", plain: string): void {
    // The text of a line is a template of the log's; here a brace is a brace.
    this.#told.writeLog({ level, text: plain.replace(/[{}]/g, "$&$&"), properties: null, plain });
  }
}

function progressIn(line: string): readonly [number, string] | null {
  const [, value, message = ""] = PROGRESS.exec(line) ?? [];
  const number = Number(value);
  return value !== undefined && number <= 1 ? [number, clip(message, ERROR_END)] : null;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
