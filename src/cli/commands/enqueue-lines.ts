/**
 * `taskexe enqueue --jsonl`: many tasks, one JSON object a line, in batches. A line that is wrong is told with its
 * number and left out; the others are enqueued. Reads as it goes, so the input may be of any length: a batch leaves
 * when it is full or the input pauses. Where it stops early, what was read is enqueued and the last sure line is told.
 */

import * as v from "valibot";
import { type Broker, ENQUEUE_BATCH_LENGTH, type EnqueueReceipt, MAX_ENQUEUE_BATCH } from "../../broker/broker.ts";
import type { CancelScope } from "../../concurrency/index.ts";
import { prepare, requestsOf } from "../../operations/prepare.ts";
import { InvalidTaskError, type PreparedTask } from "../../task/message/new-task.ts";
import { optionsOfJson, TaskJsonSchema } from "../../task/message/task-json.ts";
import { withPayloadTexts } from "../../task/text/json-text.ts";
import { sending } from "../../task/trace/sending.ts";
import type { TraceContext } from "../../task/trace/trace-context.ts";
import { type Line, readLines, sizeOf } from "../arguments/input.ts";
import { readJson } from "../arguments/json-text.ts";
import { recordChange } from "../changes/record-change.ts";
import { howMany } from "../output/how-many.ts";
import { sayIfLost } from "../output/outlets.ts";
import { note, printJson, printLine } from "../output/print.ts";
import { progressBar } from "../output/progress-bar.ts";
import { EXIT_FAILED } from "../process/exit.ts";
import { patiently } from "../process/with-broker.ts";

/** The part of a broker that lines need. */
export type LinesBroker = Pick<Broker, "url" | "connection" | "enqueue" | "now" | "audit">;

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
  /** The trace that the caller is in; null, or absent: none. */
  readonly trace?: TraceContext | null;
  /** Print the ids too, as JSON. */
  readonly json: boolean;
}

/**
 * Enqueues all lines. Once `scope` is cancelled it reads no more and enqueues what it has read.
 *
 * @returns the exit code: 1 when a line was wrong.
 * @throws BrokerUnavailableError when the broker stayed away; CommandFailure when the input cannot be read; the cancel
 *   of `scope`. What was enqueued by then is told before.
 */
export async function enqueueLines(broker: LinesBroker, scope: CancelScope, options: LinesOptions): Promise<number> {
  const bar = progressBar("enqueueing", sizeOf(options.path));
  const run = new LinesRun(broker, scope, options.json);
  try {
    for await (const lines of readLines(options.path, scope)) {
      for (const line of lines) {
        const made = taskOf(broker, line, options);
        if (made.ok) run.add(line.number, made);
        else run.refuse(line.number, made.reason);
        if (run.isFull) await run.flush();
      }
      const last = lines.at(-1);
      if (last) bar.update(last.bytesRead, `${run.enqueued} tasks`);
      // The input pauses, or a line is not whole yet.
      else await run.flush();
    }
    await run.flush();
    scope.signal.throwIfAborted();
  } catch (error) {
    bar.end(`${run.enqueued} tasks`);
    await recordChange(broker, { what: "enqueueTasks", of: {}, count: run.enqueued, outcome: "stopped" });
    run.tellStopped();
    throw error;
  }
  bar.end(`${run.enqueued} tasks`);
  await recordChange(broker, { what: "enqueueTasks", of: {}, count: run.enqueued });
  return run.tell();
}

/** A task on its way; whether its id was made here. */
interface Item {
  readonly task: PreparedTask;
  readonly isIdOurs: boolean;
}

class LinesRun {
  enqueued = 0;
  readonly #broker: LinesBroker;
  readonly #scope: CancelScope;
  readonly #ids: string[] | null;
  #batch: Item[] = [];
  /** Of its messages, in characters. */
  #length = 0;
  #present = 0;
  #refused = 0;
  /** The last line of the batch, and the last one whose task surely is with the broker; 0: none yet. */
  #last = 0;
  #sure = 0;

  constructor(broker: LinesBroker, scope: CancelScope, keepIds: boolean) {
    this.#broker = broker;
    this.#scope = scope;
    this.#ids = keepIds ? [] : null;
  }

  get isFull(): boolean {
    return this.#batch.length >= MAX_ENQUEUE_BATCH || this.#length >= ENQUEUE_BATCH_LENGTH;
  }

  add(line: number, item: Item): void {
    this.#batch.push(item);
    this.#length += item.task.message.length;
    this.#last = line;
  }

  refuse(line: number, reason: string): void {
    this.#refused++;
    if (this.#refused <= MOST_TOLD) note(`taskexe: line ${line}: ${reason}`);
    if (this.#refused === MOST_TOLD + 1) note("taskexe: more lines are wrong; they are only counted");
  }

  /** Sends the batch until the answer comes: the ids stay the same, so that a lost answer never doubles a task. */
  async flush(): Promise<void> {
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    this.#length = 0;
    const tasks = batch.map(({ task }) => task);
    const ask = async (again: boolean): Promise<void> => {
      const receipts = await this.#broker.enqueue(requestsOf(tasks, this.#broker));
      for (const [index, receipt] of receipts.entries()) this.#count(receipt, again ? batch[index] : undefined);
    };
    await sending(tasks, () => patiently(this.#broker, this.#scope, ask));
    this.#sure = this.#last;
  }

  tell(): number {
    sayIfLost(`${this.enqueued} tasks are enqueued`);
    if (this.#ids) this.#printJson(this.#ids);
    else {
      const present = this.#present > 0 ? `, ${this.#present} there already` : "";
      const refused = this.#refused > 0 ? `, ${howMany(this.#refused, "line")} refused` : "";
      printLine(`${howMany(this.enqueued, "task")} enqueued${present}${refused}`);
    }
    return this.#refused === 0 ? 0 : EXIT_FAILED;
  }

  tellStopped(): void {
    if (this.#ids) this.#printJson(this.#ids);
    const last = this.#sure === 0 ? "no line surely was" : `line ${this.#sure} is the last that surely was`;
    note(`taskexe: ${this.enqueued} tasks were enqueued before it stopped; ${last}`);
  }

  /** @param resent The task, where it was sent before: if its id was made here, only its receipt was lost. */
  #count(receipt: EnqueueReceipt, resent: Item | undefined): void {
    const wasLost = resent?.isIdOurs === true && receipt.id === resent.task.id;
    if (receipt.created || wasLost) this.enqueued++;
    else this.#present++;
    this.#ids?.push(receipt.id);
  }

  #printJson(ids: readonly string[]): void {
    printJson({ enqueued: this.enqueued, already_there: this.#present, refused: this.#refused, ids });
  }
}

function taskOf(broker: LinesBroker, line: Line, { defaults, ...preparation }: LinesOptions) {
  if (typeof line.text !== "string") return { ok: false as const, reason: line.text.problem };
  const read = readJson(line.text);
  // A line is one line: only the column says something.
  if (!read.ok) return { ok: false as const, reason: read.reason.replace("line 1, ", "") };
  const given = Array.isArray(read.value) ? null : withPayloadTexts(line.text, read.value);
  const checked = v.safeParse(TaskJsonSchema, given);
  if (!checked.success) {
    const [issue] = checked.issues;
    const path = v.getDotPath(issue);
    const reason = path === null ? 'expected an object like {"type","payload"}' : `${path}: ${wordsOf(issue)}`;
    return { ok: false as const, reason };
  }
  const { type, payload } = checked.output;
  const { queue = defaults.queue, priority = defaults.priority, ...others } = optionsOfJson(checked.output);
  try {
    const { task } = prepare(broker, preparation, { type, payload, options: { ...others, queue, priority } });
    return { ok: true as const, task, isIdOurs: others.id === undefined };
  } catch (error) {
    if (error instanceof InvalidTaskError) return { ok: false as const, reason: error.message };
    throw error;
  }
}

function wordsOf(issue: v.BaseIssue<unknown>): string {
  if (issue.input === undefined) return "is missing";
  return issue.expected === "never" ? `is not known; known are ${KNOWN}` : issue.message;
}
