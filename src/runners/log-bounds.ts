/** How much of what runs log is taken: so many lines and so much text of each in a second; the rest is counted. */
import { getLogger } from "@logtape/logtape";
import { finishedLine } from "../handlers/finished-line.ts";
import type { FromRunner } from "../runner-protocol/messages.ts";
import type { Run } from "./run.ts";

const logger = getLogger(["taskexe", "runners"]);

const MOST_LINES = 1_000;
const MOST_CHARACTERS = 1024 * 1024;
const SECOND_MS = 1_000;

type Log = Extract<FromRunner, { kind: "log" }>;

interface Taken {
  since: number;
  lines: number;
  characters: number;
  dropped: number;
}

export class LogBounds {
  readonly #taken = new Map<Run | null, Taken>();

  /** Whether one more line is taken. @param run - null: the runner itself. */
  takes(run: Run | null, characters: number): boolean {
    const now = performance.now();
    let taken = this.#taken.get(run);
    if (taken === undefined) {
      taken = { since: now, lines: 0, characters: 0, dropped: 0 };
      this.#taken.set(run, taken);
    } else if (now - taken.since >= SECOND_MS) {
      tell(run, taken);
      Object.assign(taken, { since: now, lines: 0, characters: 0, dropped: 0 });
    }
    taken.lines++;
    taken.characters += characters;
    if (taken.lines <= MOST_LINES && taken.characters <= MOST_CHARACTERS) return true;
    taken.dropped++;
    return false;
  }

  ended(run: Run): void {
    const taken = this.#taken.get(run);
    if (taken === undefined) return;
    tell(run, taken);
    this.#taken.delete(run);
  }
}

/** A line of a run to its attempt: braces in it name fields, where there are any. */
export function passLineOn(run: Run, { level, text, fields }: Pick<Log, "level" | "text" | "fields">): void {
  const template = fields === undefined ? text.replace(/[{}]/g, "$&$&") : text;
  const plain = fields === undefined ? text : finishedLine(text, fields);
  run.attempt.writeLog({ level, text: template, properties: fields ?? null, plain });
}

function tell(run: Run | null, { dropped }: Taken): void {
  if (dropped === 0) return;
  const text = `${dropped} log lines were dropped: more than ${MOST_LINES} lines or 1 MB in a second`;
  if (run === null) logger.warn("{text}", { text });
  else run.attempt.writeLog({ level: "warn", text, properties: null, plain: text });
}
