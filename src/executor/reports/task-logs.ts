/**
 * The log lines that handlers write, gathered to a few writes a second. Bounded: a handler that writes faster than the
 * broker takes loses its oldest lines, and the log says how many.
 */

import { getLogger } from "@logtape/logtape";
import { type LogLine, MAX_LOG_LINE_LENGTH, MAX_LOG_LINES } from "../../broker/administration.ts";
import { ifAvailable } from "../../broker/availability.ts";
import type { Broker } from "../../broker/broker.ts";
import { sleep } from "../../concurrency/index.ts";

const logger = getLogger(["taskexe", "executor"]);

/** Between two rounds of writes, in ms. */
const ROUND_MS = 300;

interface Waiting {
  lines: LogLine[];
  dropped: number;
}

export class TaskLogs {
  readonly #broker: Broker;
  #waiting = new Map<string, Waiting>();
  #writing: Promise<void> | null = null;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  /** Notes a line; it is written with the next round. */
  add(id: string, level: LogLine["level"], text: string): void {
    let waiting = this.#waiting.get(id);
    if (waiting === undefined) {
      waiting = { lines: [], dropped: 0 };
      this.#waiting.set(id, waiting);
    }
    waiting.lines.push({ at: Math.round(this.#broker.now()), level, text: text.slice(0, MAX_LOG_LINE_LENGTH) });
    if (waiting.lines.length > MAX_LOG_LINES) {
      waiting.lines.shift();
      waiting.dropped++;
    }
  }

  /** Whether a line waits, or is on its way. */
  get some(): boolean {
    return this.#waiting.size > 0 || this.#writing !== null;
  }

  /** Writes what waits, behind what is on its way; lines that could not be written wait on. */
  async flush(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
    if (this.#waiting.size === 0) return;
    this.#writing = this.#write();
    try {
      await this.#writing;
    } finally {
      this.#writing = null;
    }
  }

  async #write(): Promise<void> {
    const taken = this.#waiting;
    this.#waiting = new Map();
    const logs = [...taken].map(([id, { lines, dropped }]) => ({ id, lines: withDropped(lines, dropped) }));
    try {
      if (await ifAvailable(() => this.#broker.appendLogs(logs))) return;
    } catch (error) {
      // Asked again, it would be refused again: no task must wait for its log.
      logger.error("Lines of the logs of tasks could not be kept: {error}", { error });
      return;
    }
    for (const [id, later] of this.#waiting) taken.get(id)?.lines.push(...later.lines);
    for (const [id, waiting] of taken) {
      waiting.lines = waiting.lines.slice(-MAX_LOG_LINES);
      this.#waiting.set(id, waiting);
    }
  }

  /** Writes until the signal aborts. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      await sleep(ROUND_MS, signal);
      await this.flush();
    }
  }
}

function withDropped(lines: readonly LogLine[], dropped: number): readonly LogLine[] {
  const first = lines[0];
  if (dropped === 0 || first === undefined) return lines;
  return [{ at: first.at, level: "warn", text: `${dropped} line(s) were dropped here: too many at once` }, ...lines];
}
