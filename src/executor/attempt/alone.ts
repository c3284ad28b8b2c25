/**
 * The note that an inline suspect runs alone now. Whoever takes it over is to charge it only where its code was called:
 * a claim may bring many that must be alone, and the first of them that begins may kill all. So the line stands in the
 * task's own log before its code is called, and is looked for when it is taken over. Only such suspects cost these two
 * calls. A line that is lost charges nobody.
 */
import { untilAvailable } from "../../broker/availability.ts";
import type { Broker } from "../../broker/broker.ts";
import { abortable } from "../../concurrency/index.ts";
import type { Attempt } from "./attempt.ts";

/** Whether the attempt is of a task that must be alone in the executor's own process. */
export function mustBeAlone({ company, handler }: Attempt): boolean {
  return company === 0 && handler?.isInline === true;
}

/** Writes that its code is called now. @throws (rejects) the cancellation of its scope. */
export async function noteAlone(attempt: Attempt, broker: Pick<Broker, "appendLogs" | "now">): Promise<void> {
  const { id, scope, delivery } = attempt;
  const line = { at: broker.now(), level: "warn", text: noteOf(attempt) } as const;
  const written = untilAvailable(() => broker.appendLogs([{ id, queue: delivery.queue, lines: [line] }]), scope.signal);
  await abortable(written, scope.signal);
}

/** Whether an executor has called its code since its message was written. @throws (rejects) as above. */
export async function hadBegunAlone(attempt: Attempt, broker: Pick<Broker, "logs">): Promise<boolean> {
  const { id, scope } = attempt;
  const read = untilAvailable(() => broker.logs(id), scope.signal);
  const note = noteOf(attempt);
  return (await abortable(read, scope.signal)).some(({ text }) => text === note);
}

function noteOf({ message }: Attempt): string {
  return aloneNote(message?.options.failures ?? 0);
}

/** Each message of a task has its own: how many errors it has had grows with each, and a retry by hand keeps that. */
export function aloneNote(errors: number): string {
  return `processes have died over this task: nothing runs beside it now (after error ${errors})`;
}
