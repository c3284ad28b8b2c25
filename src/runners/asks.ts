/** Questions to one runner that wait for their answers. Each has a limit of time, so none waits for ever. */
import { abortable, type CancelScope, moveOnAfter } from "../concurrency/index.ts";
import type { FromRunner, ToRunner } from "../runner-protocol/messages.ts";

type Answer = Extract<FromRunner, { kind: "answer" }>;
type Question = Extract<ToRunner, { kind: "check" | "tree" | "snapshot" }>;
/** A question without its number. */
export type Asked = Question extends infer Q ? (Q extends Question ? Omit<Q, "ask"> : never) : never;

/** The runner has answered that it cannot answer, or is gone. */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
}

export class Asks {
  readonly #say: (message: ToRunner & { readonly kind: "check" | "tree" | "snapshot" | "ping" }) => void;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #next = 1;
  #gone: string | null = null;

  constructor(say: (message: ToRunner & { readonly kind: "check" | "tree" | "snapshot" | "ping" }) => void) {
    this.#say = say;
  }

  /** Asks whether it is there: any sign of life answers. */
  ping(): void {
    this.#say({ kind: "ping", ask: this.#next++ });
  }

  /** @throws (rejects) NoAnswerError: it refused, is gone, or took longer than `withinMs`. */
  async ask(scope: CancelScope, question: Asked, withinMs: number): Promise<unknown> {
    if (this.#gone !== null) throw new NoAnswerError(this.#gone);
    const asked = { ...question, ask: this.#next++ };
    const outcome = await moveOnAfter(scope, withinMs, ({ signal }) => this.#answer(asked, signal));
    if (outcome.cancelled) throw new NoAnswerError(`the runner has not answered within ${withinMs} ms`);
    return outcome.value;
  }

  answered({ ask, value, error }: Answer): void {
    // Pings, and questions that were given up, have nobody who waits.
    const waiting = this.#waiting.get(ask);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new NoAnswerError(error.message));
  }

  /** The runner is gone. */
  fail(reason: string): void {
    this.#gone = reason;
    for (const { reject } of this.#waiting.values()) reject(new NoAnswerError(reason));
  }

  async #answer(question: Question, signal: AbortSignal): Promise<unknown> {
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(question.ask, waiting);
    this.#say(question);
    try {
      return await abortable(waiting.promise, signal);
    } finally {
      this.#waiting.delete(question.ask);
    }
  }
}
