/**
 * Answers what a runner asks. Tasks of a run are enqueued by its attempt, so that it is their parent; what is asked of
 * no run goes through the door of the executor. Each question has its answer, whatever goes wrong.
 */
import { isInstance, messageOf, readText } from "../../concurrency/unknown-values.ts";
import { RefusedEnqueueError } from "../../handlers/enqueue-error.ts";
import type { HandlerAttempt } from "../../handlers/handler.ts";
import { MessageTooLongError } from "../../runner-protocol/encode.ts";
import type { FromRunner, ToRunner } from "../../runner-protocol/messages.ts";
import { LockNotTakenError, LockRefusedError, lockTerms } from "../../task/lock/lock.ts";
import { InvalidTaskError, PayloadRefusedError } from "../../task/message/new-task.ts";
import type { Door } from "./door.ts";

export type Question = Extract<FromRunner, { kind: "enqueue" | "lock" | "unlock" | "task" | "cancel" | "hold" }>;
type Answer = Extract<ToRunner, { kind: "answer" }>;
type Told = Answer | Extract<ToRunner, { kind: "lock_lost" }>;
type Asker = Pick<HandlerAttempt, "enqueue" | "takeLock" | "freeLock">;

/** How long a broker that is away is waited for where nobody says, in ms. */
const WAIT_MS = 30_000;

export interface Doors {
  /** The attempt of a run; null where that has ended here. */
  readonly askerOf: (run: number) => Asker | null;
  /** Null: nothing is answered that is not of a run. */
  readonly door: Door | null;
}

/** @param say - called once; a message that is too long is an error of it. */
export function answer(question: Question, doors: Doors, say: (told: Told) => void): void {
  const { ask } = question;
  const fail = (error: unknown) =>
    say({ kind: "answer", ask, error: { code: codeOf(error), message: messageOf(error) } });
  if (question.kind === "lock") {
    takeLock(question, doors.askerOf(question.run), say).catch(fail);
    return;
  }
  valueFor(question, doors).then((value) => {
    try {
      say({ kind: "answer", ask, value });
    } catch (error) {
      if (!(error instanceof MessageTooLongError)) throw error;
      fail(error);
    }
  }, fail);
}

/** @throws (rejects) why there is none. */
async function takeLock(
  { ask, run, name, ttl_ms: ttlMs, wait_ms: waitMs }: Extract<Question, { kind: "lock" }>,
  asker: Asker | null,
  say: (told: Told) => void,
): Promise<void> {
  if (asker === null) throw new LockRefusedError(`run ${run} has ended: it takes no lock any more`);
  const lock = await asker.takeLock(lockTerms(name, { ttlMs, waitMs }));
  if (lock === null) throw new LockNotTakenError(name, waitMs);
  const { fence } = lock;
  say({ kind: "answer", ask, value: { fence } });
  lock.onLost(() => say({ kind: "lock_lost", run, name, fence }));
}

async function valueFor(question: Exclude<Question, { kind: "lock" }>, { askerOf, door }: Doors): Promise<unknown> {
  const { kind } = question;
  if (kind === "enqueue" && question.run !== undefined) {
    const asker = askerOf(question.run);
    if (asker === null) throw new RefusedEnqueueError(`run ${question.run} has ended: it enqueues nothing any more`);
    return asker.enqueue(question.tasks);
  }
  if (kind === "unlock") {
    // The locks of a run that has ended are given back already.
    await askerOf(question.run)?.freeLock(question.name, question.fence);
    return true;
  }
  if (door === null) throw new UnsupportedError(`this executor does not answer "${kind}" yet`);
  switch (kind) {
    case "enqueue":
      return door.enqueue(question.tasks, question.wait_ms ?? WAIT_MS);
    case "task":
      return door.task(question.id);
    case "cancel":
      return door.cancel(question.ids);
    case "hold": {
      const { step, owner, ttl_ms } = question;
      const { name, ttlMs } = lockTerms(question.name, { ttlMs: ttl_ms });
      return door.hold({ step, owner, name, ttlMs });
    }
  }
}

class UnsupportedError extends Error {}

function codeOf(error: unknown): string {
  if (isInstance(error, PayloadRefusedError)) return "payload_refused";
  if (isInstance(error, InvalidTaskError)) return "invalid_task";
  if (isInstance(error, RefusedEnqueueError)) return "refused";
  if (isInstance(error, LockRefusedError)) return "refused";
  if (isInstance(error, LockNotTakenError)) return "held";
  if (isInstance(error, RangeError)) return "invalid_lock";
  if (isInstance(error, UnsupportedError)) return "unsupported";
  return /^Broker(Unavailable|Refused)Error$|^CallRefusedError$/.test(readText(error, "name"))
    ? "unavailable"
    : "failed";
}
