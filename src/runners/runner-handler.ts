/** A type that runners run, as the executor knows it: its manifest, and a pool that takes its attempts. */
import { type CancelScope, openRoot } from "../concurrency/index.ts";
import type { Handler, HandlerAttempt, HandlerEnding, HandlerManifest, HandlerOptions } from "../handlers/handler.ts";
import { PayloadError, type PayloadReading } from "../handlers/read-payload.ts";
import { optionsOfType } from "../runner-protocol/manifest-of-type.ts";
import type { TypeManifest } from "../runner-protocol/messages.ts";
import { NoAnswerError } from "./asks.ts";
import { Run } from "./run.ts";
import type { RunnerPool } from "./runner-pool.ts";

/** How long a check of a payload may take, in ms: after that the payload is accepted, and its attempt checks it. */
const CHECK_MS = 500;

export class RunnerHandler implements Handler {
  readonly type: string;
  readonly options: HandlerOptions;
  readonly checkPayload: HandlerManifest["checkPayload"];
  readonly payloadSchema: NonNullable<HandlerManifest["payloadSchema"]>;
  readonly #pool: RunnerPool;
  readonly #isAlone: boolean;

  constructor(manifest: TypeManifest, pool: RunnerPool) {
    this.type = manifest.type;
    this.options = optionsOfType(manifest);
    this.#pool = pool;
    this.#isAlone = (manifest.isolation ?? pool.kind.isolation) === "own";
    this.checkPayload = manifest.checks_payload === false ? null : (payload) => this.#check(payload);
    this.payloadSchema = async () => manifest.payload_schema ?? null;
  }

  start(attempt: HandlerAttempt, scope: CancelScope): Promise<HandlerEnding> {
    const run = new Run(attempt, scope, this.#isAlone || this.#pool.isDeaf(attempt.type));
    this.#pool.take(run);
    return run.toTheEnd();
  }

  /** Takes over a run that has begun nowhere, from a pool that leaves. */
  takeOver(run: Run): void {
    if (this.#isAlone) run.company = 0;
    this.#pool.take(run);
  }

  /** A function of the code's is on the other side; where nobody could ask it there, the configuration says it. */
  delayAfter(): null {
    return null;
  }

  async #check(payload: unknown): Promise<PayloadReading> {
    const accepted = { ok: true, value: payload } as const;
    const runner = this.#pool.idleRunner();
    if (runner === undefined) return accepted;
    try {
      const answer = await runner.asks.ask(openRoot(), { kind: "check", type: this.type, payload }, CHECK_MS);
      return isRefusal(answer) ? { ok: false, error: refusal(answer.message) } : accepted;
    } catch (error) {
      if (error instanceof NoAnswerError) return accepted;
      throw error;
    }
  }
}

function isRefusal(answer: unknown): answer is { readonly message: string } {
  if (typeof answer !== "object" || answer === null || !("ok" in answer) || answer.ok !== false) return false;
  return "message" in answer && typeof answer.message === "string";
}

function refusal(message: string): PayloadError {
  const error = new PayloadError(message);
  delete error.stack;
  return error;
}
