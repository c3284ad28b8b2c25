/**
 * The connections of one broker object: commands, the subscription to cancels, and two lines for what must be fast: the
 * blocking reads, and the wire of claims and completions.
 * They reconnect by themselves for ever. Nothing is resent behind our back (a repeated XADD would be a second task)
 * and nothing waits in a hidden queue while Redis is away: a command then fails at once as BrokerUnavailableError,
 * and so does every command whose reply was still to come when its connection was lost.
 * A hung server (it accepts, but does not answer) counts as away after `SOCKET_TIMEOUT_MS`.
 */
import { type ChainableCommander, Redis, type RedisOptions } from "ioredis";
import { abortable } from "../../concurrency/index.ts";
import { BrokerUnavailableError, type ConnectionState } from "../broker.ts";
import { awayError, isRefusal } from "./away.ts";
import { RedisLine } from "./redis-line.ts";

/** How long a connection with a command under way may stay silent, in ms. */
const SOCKET_TIMEOUT_MS = 3_000;
/** How long a blocking read waits in Redis, in ms. */
export const BLOCK_MS = 2_000;
/** The longest pause between two attempts to connect, in ms. */
const MAX_RETRY_MS = 1_000;

/** What is told where a connection ended without saying why. */
const LOST = "the connection was lost";

/** ioredis' words for a command that came too late for its connection: why that ended was told before. */
const UNSENT = /^Stream isn't writeable/;

/** What Node and Bun call a certificate whose authority they do not trust. */
const UNTRUSTED: ReadonlySet<unknown> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

export class RedisConnections {
  readonly commands: Redis;
  readonly subscriber: Redis;
  /** The blocking reads. */
  readonly reader: RedisLine;
  /** Claims that do not block, and completions. */
  readonly hot: RedisLine;
  #lastError: string | null = null;
  #closed = false;
  #connected = false;
  readonly #listeners = new Set<(state: ConnectionState) => void>();
  readonly #channels = new Set<string>();

  constructor(options: RedisOptions, name: string) {
    const common: RedisOptions & { readonly replyMapping: "legacy" } = {
      ...options,
      replyMapping: "legacy",
      lazyConnect: true,
      connectionName: name.replace(/[^\x21-\x7e]/g, "_"),
      // Every loss of the connection fails what is under way. With null and no resending it would be dropped instead:
      // never answered and never failed, so that whoever waits for it waits for ever.
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      enableOfflineQueue: false,
      connectTimeout: 5_000,
      retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 5), MAX_RETRY_MS),
    };
    const asking = { ...common, socketTimeout: SOCKET_TIMEOUT_MS };
    this.commands = new Redis(asking);
    const [reader, hot] = [new Redis({ ...asking, protocol: 2 }), new Redis({ ...asking, protocol: 2 })];
    this.reader = new RedisLine(reader, SOCKET_TIMEOUT_MS + BLOCK_MS);
    this.hot = new RedisLine(hot, SOCKET_TIMEOUT_MS);
    // ioredis does not await its own subscribing again: where that fails, nobody would catch it.
    this.subscriber = new Redis({ ...common, autoResubscribe: false });
    this.subscriber.on("ready", () => this.#subscribeAgain());
    for (const redis of [this.commands, this.subscriber, reader, hot]) {
      redis.on("error", (error: unknown) => {
        this.#failed(error);
        // ioredis would go on, in db 0.
        if (isRefusedSelect(error)) redis.disconnect(true);
      });
    }
    this.commands.on("ready", () => this.#changed());
    this.commands.on("close", () => this.#changed());
  }

  state(): ConnectionState {
    return { connected: this.#connected, lastError: this.#lastError };
  }

  onChange(listener: (state: ConnectionState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Connects and waits until commands go through, and, for who claims, all else; the signal ends the wait. */
  async open(claims: boolean, signal: AbortSignal): Promise<void> {
    const wanted = claims ? [this.commands, this.subscriber] : [this.commands];
    const lines = claims ? [this.reader, this.hot] : [];
    await Promise.all([
      ...wanted.map((redis) => abortable(ready(redis), signal)),
      ...lines.map((line) => line.opened(signal)),
    ]);
  }

  /**
   * For who asks what is pending under our own name: Redis can still have a claim before it that was sent over a line
   * which was lost since. Once that line is open anew, it has no more.
   *
   * @throws BrokerUnavailableError while a line is not open.
   */
  mustHaveLines(): void {
    if (!this.reader.isOpen || !this.hot.isOpen) throw this.translate(new Error(LOST));
  }

  /** Subscribes, and again after each reconnect. */
  async subscribe(channel: string): Promise<void> {
    this.#channels.add(channel);
    try {
      await this.subscriber.subscribe(channel);
    } catch (error) {
      throw this.translate(error);
    }
  }

  close(): void {
    this.#closed = true;
    for (const redis of [this.commands, this.subscriber]) redis.disconnect();
    for (const line of [this.reader, this.hot]) line.close();
    this.#listeners.clear();
  }

  /** Runs a command; every failure that is a matter of the connection comes out as BrokerUnavailableError. */
  async run<T>(command: (redis: Redis) => Promise<T>): Promise<T> {
    try {
      return await command(this.commands);
    } catch (error) {
      throw this.translate(error);
    }
  }

  /** The error to throw in place of what ioredis gave; answers of Redis that are our own fault stay as they are. */
  translate(error: unknown): unknown {
    if (!(error instanceof Error)) return error;
    const message = causeOf(error);
    if (isRefusal(error, message)) return error;
    if (error instanceof BrokerUnavailableError) return error;
    this.#lastError ??= error.name === "MaxRetriesPerRequestError" ? LOST : message;
    return new BrokerUnavailableError(`Redis is not available: ${this.#lastError}`, { cause: error });
  }

  #subscribeAgain(): void {
    const channels = [...this.#channels];
    if (channels.length === 0) return;
    this.subscriber.subscribe(...channels).then(undefined, (error: unknown) => this.#failed(error));
  }

  #failed(error: unknown): void {
    if (error instanceof Error && UNSENT.test(error.message)) return;
    this.#lastError = error instanceof Error ? describe(error) : String(error);
    if (!this.#connected) this.#tell();
  }

  #changed(): void {
    const connected = this.commands.status === "ready";
    if (connected === this.#connected || this.#closed) return;
    this.#connected = connected;
    if (!connected) this.#lastError ??= LOST;
    if (connected) this.#lastError = null;
    this.#tell();
  }

  #tell(): void {
    const state = this.state();
    for (const listener of this.#listeners) listener(state);
  }
}

/**
 * Runs a pipeline and gives its replies. One that could not be sent or answered whole rejects: each reply stands for
 * itself else, and a lost connection would look like a key that is not there.
 */
export async function execute(pipeline: ChainableCommander): Promise<[error: Error | null, reply: unknown][]> {
  const replies = (await pipeline.exec()) ?? [];
  const away = awayError(replies);
  if (away !== null) throw away;
  return replies;
}

/** Resolves when the connection is ready; ioredis goes on trying by itself after a failed attempt. */
function ready(redis: Redis): Promise<void> {
  if (redis.status === "ready") return Promise.resolve();
  return new Promise((resolve) => {
    redis.once("ready", () => resolve());
    if (redis.status === "wait") redis.connect().then(undefined, () => undefined);
  });
}

/** What Redis said. That a transaction was discarded says nothing: one of its commands had been refused, and why. */
function causeOf(error: Error): string {
  const refused: unknown = "previousErrors" in error ? error.previousErrors : undefined;
  const [first]: unknown[] = Array.isArray(refused) ? refused : [];
  return first instanceof Error ? first.message : error.message;
}

/** Whether Redis refused the db: there are fewer, or the user may not select it. */
function isRefusedSelect(error: unknown): boolean {
  if (!(error instanceof Error && error.name === "ReplyError" && "command" in error)) return false;
  const { command } = error;
  return typeof command === "object" && command !== null && "name" in command && command.name === "select";
}

/** An AggregateError of a refused connection has no message of its own. */
function describe(error: Error): string {
  if ("code" in error && UNTRUSTED.has(error.code)) {
    return `${error.message}: name the authority of the server's certificate with ?ca=FILE in the address`;
  }
  if (error instanceof AggregateError && error.message === "") {
    return error.errors.map((part) => (part instanceof Error ? part.message : String(part))).join("; ");
  }
  return error.message;
}
