/**
 * What this runner asks its executor, and waits to be answered: tasks that handlers enqueue, and what their clients
 * ask. The executor answers each question, so none waits for longer than it lives.
 */
import * as v from "valibot";
import { messageOf } from "../concurrency/unknown-values.ts";
import type { EnqueuedTask } from "../handlers/define-task.ts";
import { MOST_OPEN_ASKS, RefusedEnqueueError } from "../handlers/enqueue-error.ts";
import { MAX_LINE_FROM_RUNNER } from "../runner-protocol/limits.ts";
import type { ToRunner } from "../runner-protocol/messages.ts";
import type { Told } from "../runtime/process/executor-line.ts";
import { LockRefusedError, type LockTerms } from "../task/lock/lock.ts";
import { childText } from "../task/message/child-text.ts";
import { InvalidTaskError, PayloadRefusedError } from "../task/message/new-task.ts";
import { TASK_STATES } from "../task/state.ts";
import type { Outbox } from "./outbox.ts";

type Answer = Extract<ToRunner, { kind: "answer" }>;

const EnqueuedSchema = v.array(v.object({ id: v.string(), created: v.boolean(), state: v.picklist(TASK_STATES) }));
const LockedSchema = v.object({ fence: v.number() });

export class Asks {
  readonly #outbox: Pick<Outbox, "line">;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #next = 1;

  constructor(outbox: Pick<Outbox, "line">) {
    this.#outbox = outbox;
  }

  /** @throws (rejects) as `enqueue` of a handler's context does. */
  async enqueue(run: number, tasks: readonly unknown[]): Promise<readonly EnqueuedTask[]> {
    const text = `[${tasks.map(childText).join(",")}]`;
    return v.parse(EnqueuedSchema, await this.#ask(`"kind":"enqueue","run":${run},"tasks":${text}`));
  }

  /**
   * @returns null: another one holds it.
   * @throws (rejects) LockRefusedError; why else there is none.
   */
  async lock(run: number, { name, ttlMs, waitMs }: LockTerms): Promise<{ readonly fence: number } | null> {
    const asked = `"kind":"lock","run":${run},"name":${JSON.stringify(name)},"ttl_ms":${ttlMs},"wait_ms":${waitMs}`;
    try {
      return v.parse(LockedSchema, await this.#ask(asked));
    } catch (error) {
      if (error instanceof RefusedEnqueueError) throw new LockRefusedError(error.message);
      if (error instanceof AnswerError && error.code === "held") return null;
      throw error;
    }
  }

  async unlock(run: number, name: string, fence: number): Promise<void> {
    await this.#ask(`"kind":"unlock","run":${run},"name":${JSON.stringify(name)},"fence":${fence}`);
  }

  /** What somebody asks of no run. Never rejects. */
  async tell(members: string): Promise<Told> {
    try {
      return { value: await this.#ask(members) };
    } catch (error) {
      return { error: { code: codeOf(error), message: messageOf(error) } };
    }
  }

  answered({ ask, value, error }: Answer): void {
    const waiting = this.#waiting.get(ask);
    this.#waiting.delete(ask);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(errorOf(error));
  }

  #ask(members: string): Promise<unknown> {
    if (this.#waiting.size >= MOST_OPEN_ASKS) {
      throw new RefusedEnqueueError(`${MOST_OPEN_ASKS} questions wait for their answers already: await them`);
    }
    const ask = this.#next++;
    const line = `{${members},"ask":${ask}}\n`;
    if (line.length * 3 > MAX_LINE_FROM_RUNNER && Buffer.byteLength(line) > MAX_LINE_FROM_RUNNER) {
      throw new InvalidTaskError(`the task is too large: ${MAX_LINE_FROM_RUNNER} bytes go to the executor at once`);
    }
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(ask, waiting);
    this.#outbox.line(line);
    return waiting.promise;
  }
}

function errorOf({ code, message }: NonNullable<Answer["error"]>): Error {
  switch (code) {
    case "invalid_task":
      return new InvalidTaskError(message);
    case "payload_refused":
      return new PayloadRefusedError(message);
    case "refused":
      return new RefusedEnqueueError(message);
    default:
      return new AnswerError(code, message);
  }
}

/** Any other that the executor gives as an answer. */
class AnswerError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

function codeOf(error: unknown): string {
  if (error instanceof PayloadRefusedError) return "payload_refused";
  if (error instanceof InvalidTaskError) return "invalid_task";
  if (error instanceof RefusedEnqueueError) return "refused";
  return error instanceof AnswerError ? error.code : "failed";
}
