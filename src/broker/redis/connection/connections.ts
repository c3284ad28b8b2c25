/**
 * The connections of one broker object: commands, the subscription to cancels, and two lines for what must be fast: the
 * blocking reads, and the wire of claims and completions.
 * They reconnect by themselves for ever. Nothing is resent behind our back (a repeated XADD would be a second task)
 * and nothing waits in a hidden queue while Redis is away: a command then fails at once as BrokerUnavailableError,
 * and so does every command whose reply was still to come when its connection was lost.
 * A hung server (it accepts, but does not answer) counts as away after `SOCKET_TIMEOUT_MS`, and one that leaves writes
 * without an answer until it takes one. One that is no master any more loses all of them at once, since it would keep
 * them open: behind the same address there may be another by now.
 */
import { type ChainableCommander, Redis, type RedisOptions } from "ioredis";
import { abortable, type CancelScope, openRoot, sleep, systemClock } from "../../../concurrency/index.ts";
import { BrokerRefusedError, BrokerUnavailableError, type ConnectionState } from "../../broker.ts";
import { PROBE_KEY } from "../keys.ts";
import { withAdvice } from "./advice.ts";
import { causeOf, isAnswer, isServerRefusal, kindOfAnswer, unavailableError } from "./answers.ts";
import { RawConnection } from "./raw-connection.ts";
import { LOST, RedisStanding } from "./standing.ts";

/** How long a connection with a command under way may stay silent, in ms. */
const SOCKET_TIMEOUT_MS = 3_000;
/** How long a blocking read waits in Redis, in ms. */
export const BLOCK_MS = 2_000;
/** The longest pause between two attempts to connect, in ms. */
const MAX_RETRY_MS = 1_000;
/** A write that waited so long when its connection was lost was left without an answer, in ms; what is told of that. */
const SILENT_MS = 1_000;
const SILENT = "Redis left a write without an answer: it hangs, or its writes are paused (CLIENT PAUSE)";
/** Between two looks whether writes are refused, in ms: while they are, and else. */
const PROBE_MS = 200;
const PROBE_WELL_MS = 1_000;
/** How often the connections to a server that is no master are dropped at most, in ms. */
const DROP_EVERY_MS = 2_000;

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
  readonly reader: RawConnection;
  /** Claims that do not block, and completions. */
  readonly hot: RawConnection;
  readonly standing = new RedisStanding();
  /** What ends the looks whether a refusal is over. */
  readonly #root: CancelScope = openRoot();
  #isProbing = false;
  #droppedAt = Number.NEGATIVE_INFINITY;
  /** Why the last connection was lost. */
  #lastLoss: string | null = null;
  #closed = false;
  /** Whether all four are needed, or only that of the commands. */
  #claims = false;
  readonly #all: readonly Redis[];
  readonly #channels = new Set<string>();
  #undoRetry: () => void = () => {};

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
      // A server that loads its data says so to every command; ioredis would wait for it in silence, 10 s at a time.
      enableReadyCheck: false,
      connectTimeout: 5_000,
      retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 5), MAX_RETRY_MS),
    };
    const asking = { ...common, socketTimeout: SOCKET_TIMEOUT_MS };
    this.commands = new Redis(asking);
    const [reader, hot] = [new Redis({ ...asking, protocol: 2 }), new Redis({ ...asking, protocol: 2 })];
    const line = { changed: () => this.#changed(), refused: (error: Error) => this.#failed(error) };
    this.reader = new RawConnection(reader, SOCKET_TIMEOUT_MS + BLOCK_MS, line);
    this.hot = new RawConnection(hot, SOCKET_TIMEOUT_MS, line);
    // ioredis does not await its own subscribing again: where that fails, nobody would catch it.
    this.subscriber = new Redis({ ...common, autoResubscribe: false });
    this.subscriber.on("ready", () => this.#subscribeAgain());
    this.#all = [this.commands, this.subscriber, reader, hot];
    for (const redis of this.#all) {
      redis.on("error", (error: unknown) => {
        this.#failed(error);
        // ioredis would go on, in db 0.
        if (isRefusedSelect(error)) redis.stream.destroy();
      });
    }
    for (const redis of [this.commands, this.subscriber]) {
      redis.on("ready", () => this.#changed());
      redis.on("close", () => this.#changed());
    }
  }

  state(): ConnectionState {
    return this.standing.state;
  }

  onChange(listener: (state: ConnectionState) => void): () => void {
    return this.standing.onChange(listener);
  }

  /** Connects and waits until commands go through, and, for who claims, all else; the signal ends the wait. */
  async open(claims: boolean, signal: AbortSignal): Promise<void> {
    this.#claims = claims;
    if (claims) this.watchRefusals();
    const wanted = claims ? [this.commands, this.subscriber] : [this.commands];
    const lines = claims ? [this.reader, this.hot] : [];
    await Promise.all([
      ...wanted.map((redis) => abortable(ready(redis), signal)),
      ...lines.map((line) => line.opened(signal)),
    ]);
    this.#changed();
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
    this.#root.cancel("closed");
    this.#undoRetry();
    for (const redis of [this.commands, this.subscriber]) redis.disconnect();
    for (const line of [this.reader, this.hot]) line.close();
    this.standing.close();
  }

  /** Runs a command; every failure that is a matter of the connection comes out as BrokerUnavailableError. */
  async run<T>(command: (redis: Redis) => Promise<T>): Promise<T> {
    try {
      return await command(this.commands);
    } catch (error) {
      throw this.translate(error);
    }
  }

  /**
   * The error to throw in place of what ioredis gave: BrokerRefusedError where the server refuses to serve at all
   * (noted, and looked after until it is over), BrokerUnavailableError where the connection is the matter. An answer
   * about the command alone stays as it is.
   */
  translate(error: unknown): unknown {
    if (!(error instanceof Error) || error instanceof BrokerUnavailableError) return error;
    const message = causeOf(error);
    if (isServerRefusal(error, message)) return this.#refused(message, error);
    if (isAnswer(error)) return error;
    const { state, lastError } = this.standing.state;
    // Connections are dropped over a refusal; that is the reason then.
    if (state === "refusing") return new BrokerRefusedError(`Redis refuses: ${lastError}`, { cause: error });
    this.#lastLoss ??= error.name === "MaxRetriesPerRequestError" ? LOST : message;
    return new BrokerUnavailableError(`Redis is not available: ${this.#lastLoss}`, { cause: error });
  }

  /** Looks from now on whether writes are refused: as long as some are, and always for who claims. */
  watchRefusals(): void {
    if (this.#isProbing || this.#closed) return;
    this.#isProbing = true;
    // It ends when this is closed; what it throws then is only that.
    this.#probe().then(undefined, () => undefined);
  }

  #refused(message: string, cause: Error): BrokerRefusedError {
    const reason = withAdvice(message);
    this.standing.refused(reason);
    if (kindOfAnswer(message) === "elsewhere") this.#drop();
    this.watchRefusals();
    return new BrokerRefusedError(`Redis refuses: ${reason}`, { cause });
  }

  /** Loses every connection, so that the address is asked anew who is there. */
  #drop(): void {
    const now = performance.now();
    if (this.#closed || now - this.#droppedAt < DROP_EVERY_MS) return;
    this.#droppedAt = now;
    for (const redis of this.#all) if (redis.status === "ready" || redis.status === "connect") redis.stream.destroy();
  }

  async #probe(): Promise<void> {
    let probedAt = 0;
    while (this.#claims || this.standing.isRefused) {
      await sleep(PROBE_MS, this.#root.signal);
      const isDue = this.standing.isRefused || performance.now() - probedAt >= PROBE_WELL_MS;
      if (!isDue || !isReady(this.commands)) continue;
      probedAt = performance.now();
      try {
        // Refused as any write is, and changes nothing: the key is never there.
        await this.run((redis) => redis.set(PROBE_KEY, "", "XX"));
        this.standing.serverDone();
      } catch (error) {
        // One that may not be made shows nothing; what else is asked does.
        if (!(error instanceof BrokerUnavailableError)) this.standing.serverDone();
        else if (performance.now() - probedAt >= SILENT_MS) this.standing.silent(SILENT);
      }
      this.standing.settle();
    }
    this.#isProbing = false;
  }

  #subscribeAgain(): void {
    const channels = [...this.#channels];
    if (channels.length === 0) return;
    const subscribed = (): void => this.standing.dutyDone("cancels by push");
    this.subscriber.subscribe(...channels).then(subscribed, (error: unknown) => {
      if (error instanceof Error && isAnswer(error)) {
        this.standing.dutyRefused("cancels by push", withAdvice(error.message));
        this.watchRefusals();
      }
      // What is not subscribed to would never come: another connection tries again.
      const { stream } = this.subscriber;
      this.#undoRetry = systemClock.schedule(systemClock.now() + MAX_RETRY_MS, () => stream.destroy(), false);
    });
  }

  /** A connection could not be opened, or was lost. */
  #failed(error: unknown): void {
    if (error instanceof Error && UNSENT.test(error.message)) return;
    const refused = error instanceof Error && isAnswer(error);
    const reason = error instanceof Error ? describe(error) : String(error);
    this.#lastLoss = refused ? withAdvice(reason) : reason;
    if (!this.#closed) this.standing.notOpened(this.#lastLoss, refused);
  }

  #changed(): void {
    if (this.#closed) return;
    const lines = [this.reader, this.hot];
    const isOpen =
      isReady(this.commands) && (!this.#claims || (isReady(this.subscriber) && lines.every((line) => line.isOpen)));
    if (!isOpen) {
      this.#lastLoss ??= LOST;
      this.standing.shut();
      return;
    }
    this.#lastLoss = null;
    this.standing.opened();
  }
}

/**
 * Runs a pipeline and gives its replies. One that could not be sent or answered whole rejects: each reply stands for
 * itself else, and a lost connection would look like a key that is not there.
 */
export async function execute(pipeline: ChainableCommander): Promise<[error: Error | null, reply: unknown][]> {
  const replies = (await pipeline.exec()) ?? [];
  const away = unavailableError(replies);
  if (away !== null) throw away;
  return replies;
}

/** Resolves when the connection is ready; ioredis goes on trying by itself after a failed attempt. */
function ready(redis: Redis): Promise<void> {
  if (isReady(redis)) return Promise.resolve();
  return new Promise((resolve) => {
    const look = (): void => {
      if (!isReady(redis)) return;
      redis.off("ready", look);
      resolve();
    };
    redis.on("ready", look);
    if (redis.status === "wait") redis.connect().then(undefined, () => undefined);
  });
}

/** One that was dropped calls itself ready until its socket has told that it is closed. */
function isReady(redis: Redis): boolean {
  return redis.status === "ready" && !redis.stream.destroyed;
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
