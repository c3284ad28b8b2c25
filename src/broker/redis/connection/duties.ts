/**
 * What an executor must do at Redis, each duty under a name. One that is refused (a key of another type, a right that
 * was taken, a group that is gone) is noted with its reason and comes out as CallRefusedError, so that the executor
 * asks again until somebody has mended it; whoever calls for a user gets the answer as it is.
 */
import { untilAvailable } from "../../availability.ts";
import { BrokerUnavailableError, CallRefusedError } from "../../broker.ts";
import { refusalText } from "./advice.ts";
import { causeOf, isAnswer, kindOfAnswer } from "./answers.ts";
import type { RedisConnections } from "./connections.ts";

export class RedisDuties {
  readonly #connections: RedisConnections;
  readonly #isExecutor: boolean;
  readonly #createGroups: () => Promise<void>;

  /**
   * @param isExecutor - a client has no duties: each answer stands as it is, since a mistake is its user's.
   * @param createGroups - makes the groups anew where somebody has deleted one.
   */
  constructor(connections: RedisConnections, isExecutor: boolean, createGroups: () => Promise<void>) {
    this.#connections = connections;
    this.#isExecutor = isExecutor;
    this.#createGroups = createGroups;
  }

  /**
   * Does it, and notes whether it was refused. @throws (rejects) BrokerUnavailableError; a mistake of ours as it is.
   */
  async do<T>(duty: string, work: () => Promise<T>): Promise<T> {
    if (!this.#isExecutor) return work();
    const { standing } = this.#connections;
    let done: T;
    try {
      done = await work();
    } catch (error) {
      throw await this.#refused(error, (reason) => {
        standing.dutyRefused(duty, reason);
        this.#connections.watchRefusals();
      });
    }
    if (standing.isRefused) standing.dutyDone(duty);
    return done;
  }

  /**
   * Does it again until it goes through. @throws (rejects) as `do`, but for BrokerUnavailableError; the signal's
   * reason.
   */
  untilDone(duty: string, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    return untilAvailable(() => this.do(duty, work), signal);
  }

  /** The same for what concerns one task or schedule alone: it is for the caller to note. */
  async try<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#isExecutor) return work();
    try {
      return await work();
    } catch (error) {
      throw await this.#refused(error, () => undefined);
    }
  }

  async #refused(error: unknown, note: (reason: string) => void): Promise<unknown> {
    if (!(error instanceof Error) || error instanceof BrokerUnavailableError || !isAnswer(error)) return error;
    const message = causeOf(error);
    if (kindOfAnswer(message) !== "mendable") return error;
    const reason = refusalText(error);
    note(reason);
    if (message.startsWith("NOGROUP")) await this.#mendGroups();
    return new CallRefusedError(reason, { cause: error });
  }

  /** Where that is refused too, the duty is, when it is tried again. */
  async #mendGroups(): Promise<void> {
    try {
      await this.#createGroups();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
    }
  }
}
