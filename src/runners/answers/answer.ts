/**
 * Answers what a runner asks. Tasks of a run are enqueued by its attempt, so that it is their parent; what is asked of
 * no run goes through the door of the executor. Each question has its answer, whatever goes wrong.
 */
import { isInstance, messageOf, readText } from "../../concurrency/unknown-values.ts";
import { RefusedEnqueueError } from "../../handlers/enqueue-error.ts";
import type { HandlerAttempt } from "../../handlers/handler.ts";
import { MessageTooLongError } from "../../runner-protocol/encode.ts";
import type { FromRunner, ToRunner } from "../../runner-protocol/messages.ts";
import { InvalidTaskError, PayloadRefusedError } from "../../task/message/new-task.ts";
import type { Door } from "./door.ts";

export type Question = Extract<FromRunner, { kind: "enqueue" | "lock" | "unlock" | "task" | "cancel" }>;
type Answer = Extract<ToRunner, { kind: "answer" }>;
type Asker = Pick<HandlerAttempt, "enqueue">;

/** How long a broker that is away is waited for where nobody says, in ms. */
const WAIT_MS = 30_000;

export interface Doors {
  /** The attempt of a run; null where that has ended here. */
  readonly askerOf: (run: number) => Asker | null;
  /** Null: nothing is answered that is not of a run. */
  readonly door: Door | null;
}

/** @param say - called once; a message that is too long is an error of it. */
export function answer(question: Question, doors: Doors, say: (answer: Answer) => void): void {
  const { ask } = question;
  const fail = (error: unknown) =>
    say({ kind: "answer", ask, error: { code: codeOf(error), message: messageOf(error) } });
  valueFor(question, doors).then((value) => {
    try {
      say({ kind: "answer", ask, value });
    } catch (error) {
      if (!(error instanceof MessageTooLongError)) throw error;
      fail(error);
    }
  }, fail);
}

async function valueFor(question: Question, { askerOf, door }: Doors): Promise<unknown> {
  const { kind } = question;
  if (kind === "enqueue" && question.run !== undefined) {
    const asker = askerOf(question.run);
    if (asker === null) throw new RefusedEnqueueError(`run ${question.run} has ended: it enqueues nothing any more`);
    return asker.enqueue(question.tasks);
  }
  if (kind === "lock" || kind === "unlock" || door === null)
    throw new UnsupportedError(`this executor does not answer "${kind}" yet`);
  switch (kind) {
    case "enqueue":
      return door.enqueue(question.tasks, question.wait_ms ?? WAIT_MS);
    case "task":
      return door.task(question.id);
    case "cancel":
      return door.cancel(question.ids);
  }
}

class UnsupportedError extends Error {}

function codeOf(error: unknown): string {
  if (isInstance(error, PayloadRefusedError)) return "payload_refused";
  if (isInstance(error, InvalidTaskError)) return "invalid_task";
  if (isInstance(error, RefusedEnqueueError)) return "refused";
  if (isInstance(error, UnsupportedError)) return "unsupported";
  return /^Broker(Unavailable|Refused)Error$|^CallRefusedError$/.test(readText(error, "name"))
    ? "unavailable"
    : "failed";
}
