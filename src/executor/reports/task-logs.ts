/**
 * The log lines that handlers write, gathered to a few writes a second. Bounded: a handler that writes faster than the
 * broker takes loses its oldest lines, and the log says how many.
 */

import { getLogger } from "@logtape/logtape";
import { ifAvailable } from "../../broker/availability.ts";
import type { Broker } from "../../broker/broker.ts";
import { type LogLine, MAX_LOG_LINE_LENGTH, MAX_LOG_LINES } from "../../broker/contract/admin.ts";
import { sleep } from "../../concurrency/index.ts";

const logger = getLogger(["taskexe", "executor"]);

/** Between two rounds of writes, in ms. */
const ROUND_MS = 300;

/** How long all lines that wait may be together, in characters. */
const MOST_LENGTH = 32_000_000;

interface Waiting {
  readonly queue: string;
  lines: LogLine[];
  dropped: number;
}

/** Whose line it is. */
export interface LoggedTask {
  readonly id: string;
  readonly queue: string;
}

export class TaskLogs {
  readonly #broker: Broker;
  #waiting = new Map<string, Waiting>();
  /** Of all lines that wait or are on their way, in characters. */
  #length = 0;
  readonly #mostLength: number;
  #writing: Promise<void> | null = null;

  /** @param mostLength - how long all lines that wait may be together, in characters. */
  constructor(broker: Broker, mostLength = MOST_LENGTH) {
    this.#broker = broker;
    this.#mostLength = mostLength;
  }

  /** Notes a line; it is written with the next round. */
  add({ id, queue }: LoggedTask, level: LogLine["level"], text: string): void {
    let waiting = this.#waiting.get(id);
    if (waiting === undefined) {
      waiting = { queue, lines: [], dropped: 0 };
      this.#waiting.set(id, waiting);
    }
    const line = { at: Math.round(this.#broker.now()), level, text: text.slice(0, MAX_LOG_LINE_LENGTH) };
    waiting.lines.push(line);
    this.#length += lengthOf(line);
    if (waiting.lines.length > MAX_LOG_LINES) this.#drop(waiting);
    // The map has them in the order in which they began to wait.
    for (const oldest of this.#waiting.values()) {
      if (this.#length <= this.#mostLength) break;
      while (this.#length > this.#mostLength && oldest.lines.length > 1) this.#drop(oldest);
    }
  }

  #drop(waiting: Waiting): void {
    const line = waiting.lines.shift();
    if (line === undefined) return;
    this.#length -= lengthOf(line);
    waiting.dropped++;
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
    const logs = [...taken].map(([id, { queue, lines, dropped }]) => ({
      id,
      queue,
      lines: withDropped(lines, dropped),
    }));
    let isTaken = true;
    try {
      isTaken = await ifAvailable(() => this.#broker.appendLogs(logs));
    } catch (error) {
      // Asked again, it would be refused again: no task must wait for its log.
      logger.error("Lines of the logs of tasks could not be kept: {error}", { error });
    }
    if (isTaken) {
      for (const { lines } of taken.values()) for (const line of lines) this.#length -= lengthOf(line);
      return;
    }
    for (const [id, later] of this.#waiting) {
      const waiting = taken.get(id) ?? { queue: later.queue, lines: [], dropped: 0 };
      waiting.lines.push(...later.lines);
      waiting.dropped += later.dropped;
      taken.set(id, waiting);
      while (waiting.lines.length > MAX_LOG_LINES) this.#drop(waiting);
    }
    this.#waiting = taken;
  }

  /** Writes until the signal aborts. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      await sleep(ROUND_MS, signal);
      await this.flush();
    }
  }
}

/** With what stands beside its text in memory. */
function lengthOf({ text }: LogLine): number {
  return text.length + 100;
}

function withDropped(lines: readonly LogLine[], dropped: number): readonly LogLine[] {
  const at = lines[0]?.at ?? null;
  if (dropped === 0 || at === null) return lines;
  return [{ at, level: "warn", text: `${dropped} line(s) were dropped here: too many at once` }, ...lines];
}
