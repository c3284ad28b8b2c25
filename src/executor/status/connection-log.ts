/**
 * Says in the log how it stands with the broker: that it is away or refuses, with the reason, and that it is back.
 * A change is told once it has lasted, the first pair of a minute soon and further ones later; what came and went in
 * between is summed up once a minute, so that a broker that flaps cannot fill the log. A warning is told once.
 */
import { getLogger } from "@logtape/logtape";
import type { Broker, ConnectionState } from "../../broker/broker.ts";
import { type Clock, systemClock } from "../../concurrency/index.ts";

const logger = getLogger(["taskexe", "broker"]);

/** How long a change must last to be told, in ms: the first ones of a minute, and further ones. */
const SOON_MS = 500;
const LATER_MS = 5_000;
/** How many lines of a minute are told soon: that it is away, and that it is back. */
const SOON_LINES = 2;
/** After how long what was not told is summed up, in ms. */
const SUMMARY_MS = 60_000;
/** How soon the same warning is told again, in ms, and how many are remembered. */
const WARN_AGAIN_MS = 600_000;
const MOST_WARNINGS = 100;

/** Where the lines go; a test hands in its own. */
export interface ConnectionLogger {
  info(message: string, properties: Record<string, unknown>): void;
  warn(message: string, properties: Record<string, unknown>): void;
}

/** Begins to; gives what ends it. */
export function logConnection(
  broker: Pick<Broker, "url" | "onConnectionChange">,
  { clock = systemClock, log = logger }: { readonly clock?: Clock; readonly log?: ConnectionLogger } = {},
): () => void {
  const lines = new ConnectionLines(broker.url, clock, log);
  const unlisten = broker.onConnectionChange((state) => lines.changed(state));
  return () => {
    unlisten();
    lines.end();
  };
}

class ConnectionLines {
  readonly #url: string;
  readonly #clock: Clock;
  readonly #log: ConnectionLogger;
  /** What stands in the way now, and since when; "" nothing. */
  #kind = "";
  #since = 0;
  #reason = "";
  #told = "";
  #troubleSince = 0;
  /** When the last lines were told, the oldest first. */
  #lineTimes: number[] = [];
  /** How often it went wrong since then, and for how long in all, in ms; what was told by itself is left out. */
  #untold = { times: 0, ms: 0, from: 0 };
  readonly #warned = new Map<string, number>();
  #undoTimer: () => void = () => {};

  constructor(url: string, clock: Clock, log: ConnectionLogger) {
    this.#url = url;
    this.#clock = clock;
    this.#log = log;
  }

  changed(state: ConnectionState): void {
    for (const warning of state.warnings) this.#warn(warning);
    // It has not been there yet, and nothing has failed.
    if (state.state === "away" && state.lastError === null) return;
    const now = this.#clock.now();
    const kind = kindOf(state);
    if (state.lastError !== null) this.#reason = state.lastError;
    if (kind === this.#kind) return;
    if (this.#kind === "") {
      if (this.#told === "") this.#troubleSince = now;
      if (this.#untold.times === 0) this.#untold.from = now;
      this.#untold.times++;
      this.#since = now;
    } else if (kind === "") {
      this.#untold.ms += now - this.#since;
      this.#since = now;
    } else if (this.#told !== "") {
      // One trouble after the other is one trouble, but told again where the next one lasts.
      this.#untold.ms += now - this.#since;
      this.#since = now;
    }
    this.#kind = kind;
    this.#arm(now);
  }

  /** Sums up what was not told yet. */
  end(): void {
    this.#undoTimer();
    this.#sumUp(this.#clock.now());
  }

  /** Has the clock call when there is something to tell next. */
  #arm(now: number): void {
    this.#undoTimer();
    const isNews = this.#kind !== this.#told;
    const isOther = this.#told !== "" && this.#kind !== "";
    const lasts = isOther ? LATER_MS : this.#lasts(now);
    const newsAt = isNews ? this.#since + lasts : Number.POSITIVE_INFINITY;
    const summaryAt = this.#untold.times > 0 ? this.#untold.from + SUMMARY_MS : Number.POSITIVE_INFINITY;
    this.#undoTimer = this.#clock.schedule(Math.min(newsAt, summaryAt), () => this.#tell(newsAt, summaryAt), false);
  }

  #lasts(now: number): number {
    this.#lineTimes = this.#lineTimes.filter((at) => at > now - SUMMARY_MS);
    return this.#lineTimes.length < SOON_LINES ? SOON_MS : LATER_MS;
  }

  #tell(newsAt: number, summaryAt: number): void {
    const now = this.#clock.now();
    if (now >= newsAt) this.#tellNews(now);
    if (now >= summaryAt) this.#sumUp(now);
    this.#arm(now);
  }

  #tellNews(now: number): void {
    this.#lineTimes.push(now);
    this.#told = this.#kind;
    // The one that is told now is no part of the sum.
    if (this.#kind === "") {
      const seconds = secondsOf(this.#since - this.#troubleSince);
      this.#log.info("The broker is back after {seconds} s", { seconds });
    } else if (this.#kind === "away") {
      this.#log.warn("The broker {url} is away: {reason}; trying until it is back", this.#place());
    } else {
      this.#log.warn("The broker {url} is refusing: {reason}; trying until it does not", this.#place());
    }
    if (this.#kind !== "") this.#untold.times = Math.max(0, this.#untold.times - 1);
    if (this.#untold.times === 0) this.#untold.ms = 0;
  }

  #sumUp(now: number): void {
    const { times, ms, from } = this.#untold;
    this.#untold = { times: 0, ms: 0, from: now };
    if (times === 0) return;
    const isOver = this.#kind === "";
    this.#log.warn(
      `The broker {url} was away or refusing ${times === 1 ? "once more" : "{times} more times"} in the last ` +
        "{window} s ({seconds} s in all): {reason}; {now}",
      {
        ...this.#place(),
        times,
        window: Math.round((now - from) / 1000),
        seconds: secondsOf(ms + (isOver ? 0 : now - this.#since)),
        now: isOver ? "it is there now" : "so it is now",
      },
    );
  }

  #place(): { readonly url: string; readonly reason: string } {
    return { url: this.#url, reason: this.#reason === "" ? "it does not answer" : this.#reason };
  }

  #warn(warning: string): void {
    const now = this.#clock.now();
    const before = this.#warned.get(warning);
    if (before !== undefined && now - before < WARN_AGAIN_MS) return;
    this.#warned.delete(warning);
    this.#warned.set(warning, now);
    const [oldest] = this.#warned.keys();
    if (this.#warned.size > MOST_WARNINGS && oldest !== undefined) this.#warned.delete(oldest);
    this.#log.warn("The broker {url}: {warning}", { url: this.#url, warning });
  }
}

/** What counts as the same trouble: one refusal is another one than the next, by its first word. */
function kindOf({ state, lastError }: ConnectionState): string {
  if (state === "connected") return "";
  return state === "away" ? state : `refusing ${lastError?.split(" ", 1)[0]}`;
}

function secondsOf(ms: number): number {
  return Math.round(ms / 100) / 10;
}
