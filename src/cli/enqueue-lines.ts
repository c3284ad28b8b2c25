/**
 * `taskexe enqueue --jsonl`: many tasks, one JSON object a line, in batches. A line that is wrong is told with its
 * number and left out; the others are enqueued. Reads as it goes, so the input may be of any length.
 */
import * as v from "valibot";
import { type Broker, type EnqueueRequest, MAX_ENQUEUE_BATCH } from "../broker/broker.ts";
import { type CancelScope, checkpoint } from "../concurrency/index.ts";
import { optionsOfJson, TaskJsonSchema } from "../task/task-json.ts";
import { EXIT_FAILED } from "./exit.ts";
import { type Line, readLines, sizeOf } from "./input.ts";
import { readJson } from "./json-text.ts";
import { requestFor } from "./new-task.ts";
import { note, printJson, printLine } from "./output.ts";
import { progressBar } from "./progress-bar.ts";

/** How many wrong lines are told one by one. */
const MOST_TOLD = 20;

const KNOWN = Object.keys(TaskJsonSchema.entries).join(", ");

export interface LinesOptions {
  /** A file, or `-`. */
  readonly path: string;
  readonly defaults: { readonly queue: string; readonly priority: number };
  readonly retentionMs: number;
  /** How many the fleet has. */
  readonly priorities: number;
  /** Print the ids too, as JSON. */
  readonly json: boolean;
}

/** Enqueues all lines. Returns the exit code: 1 when a line was wrong. */
export async function enqueueLines(broker: Broker, scope: CancelScope, options: LinesOptions): Promise<number> {
  const bar = progressBar("enqueueing", sizeOf(options.path));
  const run = new LinesRun(broker, options.json);
  try {
    for await (const line of readLines(options.path)) {
      const made = requestOf(line, options);
      if (made.ok) run.add(made.request);
      else run.refuse(line.number, made.reason);
      if (run.isFull) {
        await checkpoint(scope.signal);
        await run.flush();
        bar.update(line.bytesRead, `${run.enqueued} tasks`);
      }
    }
    await run.flush();
  } catch (error) {
    bar.end(`${run.enqueued} tasks`);
    note(`taskexe: ${run.enqueued} tasks were enqueued before it stopped`);
    throw error;
  }
  bar.end(`${run.enqueued} tasks`);
  return run.tell();
}

class LinesRun {
  enqueued = 0;
  readonly #broker: Broker;
  readonly #ids: string[] | null;
  #batch: EnqueueRequest[] = [];
  #present = 0;
  #refused = 0;

  constructor(broker: Broker, keepIds: boolean) {
    this.#broker = broker;
    this.#ids = keepIds ? [] : null;
  }

  get isFull(): boolean {
    return this.#batch.length >= MAX_ENQUEUE_BATCH;
  }

  add(request: EnqueueRequest): void {
    this.#batch.push(request);
  }

  refuse(line: number, reason: string): void {
    this.#refused++;
    if (this.#refused <= MOST_TOLD) note(`taskexe: line ${line}: ${reason}`);
    if (this.#refused === MOST_TOLD + 1) note("taskexe: more lines are wrong; they are only counted");
  }

  async flush(): Promise<void> {
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    for (const receipt of await this.#broker.enqueue(batch)) {
      if (receipt.created) this.enqueued++;
      else this.#present++;
      this.#ids?.push(receipt.id);
    }
  }

  tell(): number {
    const counts = { enqueued: this.enqueued, already_there: this.#present, refused: this.#refused };
    if (this.#ids) printJson({ ...counts, ids: this.#ids });
    else {
      const present = this.#present > 0 ? `, ${this.#present} were there already` : "";
      const refused = this.#refused > 0 ? `, ${this.#refused} lines were refused` : "";
      printLine(`${this.enqueued} tasks enqueued${present}${refused}`);
    }
    return this.#refused === 0 ? 0 : EXIT_FAILED;
  }
}

function requestOf(line: Line, { defaults, ...surroundings }: LinesOptions) {
  const read = readJson(line.text);
  // A line is one line: only the column says something.
  if (!read.ok) return { ok: false as const, reason: read.reason.replace("line 1, ", "") };
  const checked = v.safeParse(TaskJsonSchema, Array.isArray(read.value) ? null : read.value);
  if (!checked.success) {
    const [issue] = checked.issues;
    const path = v.getDotPath(issue);
    const reason = path === null ? 'expected an object like {"type","payload"}' : `${path}: ${wordsOf(issue)}`;
    return { ok: false as const, reason };
  }
  const { type, payload = null } = checked.output;
  const { id, queue = defaults.queue, priority = defaults.priority, ...options } = optionsOfJson(checked.output);
  return requestFor({ type, payload, id, queue, priority, options }, surroundings, Date.now());
}

function wordsOf(issue: v.BaseIssue<unknown>): string {
  if (issue.input === undefined) return "is missing";
  return issue.expected === "never" ? `is not known; known are ${KNOWN}` : issue.message;
}
