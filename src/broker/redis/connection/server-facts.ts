/**
 * What the server says of itself (INFO): whether it is new enough, still loads its data, and throws keys away when its
 * memory is full. Read at each connect and with each heartbeat, since all of it may change.
 */
import { sleep } from "../../../concurrency/index.ts";
import { BrokerUnavailableError, BrokerUnfitError } from "../../broker.ts";
import { refusalText, withAdvice } from "./advice.ts";
import { isAnswer } from "./answers.ts";
import type { RedisConnections } from "./connections.ts";

/** Between two looks whether the server has loaded its data, in ms. */
const LOADING_MS = 200;
/** What an executor is refused where the server behind the address is too old by now. */
const DUTY = "server version";
/** It is asked again with each heartbeat, in ms. */
const DUTY_LASTS_MS = 90_000;

/** The oldest that will do, of Redis; Valkey began with what Redis 7.2 could. */
const OLDEST = 7;

export interface ServerFacts {
  readonly isValkey: boolean;
  /** As the server writes it; empty where it does not say. */
  readonly version: string;
  readonly isLoading: boolean;
  /** `noeviction` where nothing is thrown away; empty where the server does not say. */
  readonly policy: string;
  /** In bytes; null where the server does not say. */
  readonly usedMemory: number | null;
}

/** @param info - the whole answer to INFO. */
export function readFacts(info: string): ServerFacts {
  const fields = new Map<string, string>();
  for (const line of info.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const valkey = fields.get("valkey_version");
  return {
    isValkey: valkey !== undefined,
    version: valkey ?? fields.get("redis_version") ?? "",
    isLoading: fields.get("loading") === "1",
    policy: fields.get("maxmemory_policy") ?? "",
    usedMemory: fields.has("used_memory") ? Number(fields.get("used_memory")) : null,
  };
}

/** @throws BrokerUnfitError where the server is too old. A fork that does not say its version is not judged by it. */
export function checkVersion({ isValkey, version }: ServerFacts, url: string): void {
  const major = Number.parseInt(version, 10);
  if (isValkey || !(major < OLDEST)) return;
  throw new BrokerUnfitError(`the server at ${url} is Redis ${version}; taskexe needs Redis 7.0 or later, or Valkey`);
}

/** What can be lost when the memory is full, as sentences; none where the policy is right. */
export function memoryWarnings({ policy }: ServerFacts): string[] {
  if (policy === "" || policy === "noeviction") return [];
  const lost = policy.startsWith("volatile-")
    ? "it throws away keys with a time to live: cancel flags (the cancel is then missed), unique keys that are held " +
      "for a time (a second task of that key then runs), logs of tasks, the clean-up lock; queues and records stay"
    : "it throws away any key: whole queues with all their tasks, scheduled tasks, records, schedules, cancels";
  return [
    `maxmemory-policy is ${policy}: when the memory of Redis is full, ${lost}. Set it to noeviction ` +
      "(redis-cli CONFIG SET maxmemory-policy noeviction, and in redis.conf)",
  ];
}

/** Asks the server what it is, and keeps what is said of it up to date. */
export class RedisServerFacts {
  readonly #connections: RedisConnections;
  readonly #url: string;

  constructor(connections: RedisConnections, url: string) {
    this.#connections = connections;
    this.#url = url;
    // Behind the address there may be another server by now.
    connections.commands.on("ready", () => {
      this.refresh().then(undefined, () => undefined);
    });
  }

  /**
   * Waits until the server has loaded its data.
   *
   * @throws (rejects) BrokerUnfitError; BrokerUnavailableError; the signal's reason.
   */
  async loaded(signal: AbortSignal): Promise<void> {
    for (;;) {
      const facts = await this.read();
      if (facts === null || !facts.isLoading) return;
      this.#connections.standing.refused(withAdvice("LOADING Redis is loading the dataset in memory"));
      this.#connections.watchRefusals();
      await sleep(LOADING_MS, signal);
    }
  }

  /** Gives null where this user may not ask. @throws (rejects) as `loaded`, but for the signal. */
  async read(): Promise<ServerFacts | null> {
    const { standing } = this.#connections;
    try {
      const facts = readFacts(await this.#connections.run((redis) => redis.info()));
      checkVersion(facts, this.#url);
      standing.dutyDone(DUTY);
      standing.advise(memoryWarnings(facts));
      return facts;
    } catch (error) {
      if (!(error instanceof Error) || error instanceof BrokerUnavailableError) throw error;
      if (error instanceof BrokerUnfitError) throw error;
      standing.advise([`whether the memory policy of Redis is right is not known: ${refusalText(error)}`]);
      return null;
    }
  }

  /** What it says of its memory; null where this user may not ask. @throws (rejects) BrokerUnavailableError. */
  async memory(): Promise<Pick<ServerFacts, "policy" | "usedMemory"> | null> {
    try {
      return readFacts(await this.#connections.run((redis) => redis.info("memory")));
    } catch (error) {
      if (error instanceof Error && isAnswer(error)) return null;
      throw error;
    }
  }

  /** Reads again; a server that has become too old is a refusal. @throws (rejects) BrokerUnavailableError. */
  async refresh(): Promise<void> {
    try {
      await this.read();
    } catch (error) {
      if (!(error instanceof BrokerUnfitError)) throw error;
      this.#connections.standing.dutyRefused(DUTY, error.message, DUTY_LASTS_MS);
      this.#connections.watchRefusals();
    }
  }
}
