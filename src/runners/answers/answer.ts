/**
 * Answers what a runner asks: tasks are enqueued by the attempt whose handler asks, so that it is their parent. Each
 * question has its answer, whatever goes wrong.
 */
import { isInstance, messageOf, readText } from "../../concurrency/unknown-values.ts";
import { RefusedEnqueueError } from "../../handlers/enqueue-error.ts";
import type { HandlerAttempt } from "../../handlers/handler.ts";
import type { FromRunner, ToRunner } from "../../runner-protocol/messages.ts";
import { InvalidTaskError, PayloadRefusedError } from "../../task/message/new-task.ts";

type Question = Extract<FromRunner, { kind: "enqueue" | "lock" | "unlock" }>;
type Answer = Extract<ToRunner, { kind: "answer" }>;
type Asker = Pick<HandlerAttempt, "enqueue">;

/**
 * @param asker - the attempt of the run; null where that has ended here.
 * @param say - called once.
 */
export function answer(question: Question, asker: Asker | null, say: (answer: Answer) => void): void {
  const { ask } = question;
  valueFor(question, asker).then(
    (value) => say({ kind: "answer", ask, value }),
    (error: unknown) => say({ kind: "answer", ask, error: { code: codeOf(error), message: messageOf(error) } }),
  );
}

async function valueFor(question: Question, asker: Asker | null): Promise<unknown> {
  const { kind, run } = question;
  if (kind !== "enqueue") throw new UnsupportedError(`this executor does not answer "${kind}" yet`);
  if (asker === null) throw new RefusedEnqueueError(`run ${run} has ended: it enqueues nothing any more`);
  return asker.enqueue(question.tasks);
}

class UnsupportedError extends Error {}

function codeOf(error: unknown): string {
  if (isInstance(error, PayloadRefusedError)) return "payload_refused";
  if (isInstance(error, InvalidTaskError)) return "invalid_task";
  if (isInstance(error, RefusedEnqueueError)) return "refused";
  if (isInstance(error, UnsupportedError)) return "unsupported";
  return readText(error, "name") === "BrokerUnavailableError" ? "unavailable" : "failed";
}
