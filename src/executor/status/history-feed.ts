/**
 * Feeds the history of the fleet (src/metrics/history.ts): every 10 s with what this executor has counted itself, and
 * with what the heartbeats of the others tell of theirs. In a large fleet less often, so that each executor asks as
 * much of the broker as in a small one: what is told only grows, so nothing is lost but when exactly it came.
 */
import type { Broker, FleetMember } from "../../broker/broker.ts";
import { sleep } from "../../concurrency/index.ts";
import { FEED_MS, History } from "../../metrics/history.ts";
import { CARRIED_MS } from "../../metrics/rings.ts";
import type { WorkJson } from "../../metrics/work-json.ts";
import type { BrokerLook } from "./broker-look.ts";

/** For each executor of the fleet, in ms. */
const FEED_MS_EACH = 1_000;
/** Until the fleet was looked at for the first time, in ms. */
const FIRST_MS = 500;

/** Of one executor, at the look before. */
interface Known {
  readonly bootAt: string;
  readonly work: WorkJson | null;
  readonly version: string;
  readonly generation: number;
  readonly isDraining: boolean;
}

export interface FeedParts {
  readonly broker: Pick<Broker, "now">;
  readonly look: BrokerLook;
  /** This executor. */
  readonly name: string;
  /** What it has counted. */
  readonly work: () => WorkJson | null;
}

export class HistoryFeed {
  readonly history: History;
  readonly #parts: FeedParts;
  readonly #known = new Map<string, Known>();
  #own: WorkJson | null = null;
  /** Of the look that was taken last, on the broker's clock. */
  #takenAt: number | null = null;

  constructor(parts: FeedParts) {
    this.#parts = parts;
    this.history = new History(parts.broker.now());
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.#parts.look.look();
      this.take();
      const everyMs = Math.max(FEED_MS, Math.min(CARRIED_MS, this.#known.size * FEED_MS_EACH));
      await sleep(this.#takenAt === null ? FIRST_MS : everyMs, signal);
    }
  }

  /** Takes what is told now. */
  take(): void {
    const { broker, look, work, name } = this.#parts;
    const now = broker.now();
    const own = work();
    if (own !== null) this.history.grown(own, this.#own, now);
    this.#own = own;
    const { seen } = look;
    // The broker was away: nothing new was read.
    if (seen.countedAt === null || seen.countedAt === this.#takenAt) return;
    this.#takenAt = seen.countedAt;
    const queues = seen.queues.map(({ name: queue, queued }, index) => {
      const since = seen.figures.oldest[index] ?? null;
      return { queue, waiting: queued, oldestSeconds: since === null ? 0 : Math.max(0, now - since) / 1_000 };
    });
    this.history.waiting(queues, now);
    for (const member of seen.fleet) this.#takeMember(member, member.name === name, now);
    const names = new Set(seen.fleet.map((member) => member.name));
    for (const known of this.#known.keys()) if (!names.has(known)) this.#known.delete(known);
  }

  #takeMember({ name, beat }: FleetMember, isOwn: boolean, now: number): void {
    if (beat === null) return;
    const before = this.#known.get(name);
    const told: Known = {
      bootAt: beat.boot_at ?? "",
      work: beat.work ?? null,
      version: typeof beat.version === "string" ? beat.version : "",
      generation: Math.max(0, ...(beat.runners ?? []).map(({ generation = 0 }) => generation)),
      isDraining: beat.state === "draining",
    };
    this.#known.set(name, told);
    this.#mark(name, told, before, now);
    if (isOwn || told.work === null) return;
    // What was counted before there was a history is no part of it.
    if (before === undefined && !this.#isNew(told)) return;
    this.history.grown(told.work, before?.bootAt === told.bootAt ? before.work : null, now);
  }

  /** Whether it has begun since there is a history. */
  #isNew({ bootAt }: Known): boolean {
    return Date.parse(bootAt) >= this.history.since;
  }

  #mark(executor: string, told: Known, before: Known | undefined, at: number): void {
    const began = before === undefined ? this.#isNew(told) : before.bootAt !== told.bootAt;
    if (began) this.history.mark({ at, kind: "deploy", executor, what: `version ${told.version}` });
    else if (before !== undefined && told.generation > before.generation && before.generation > 0) {
      this.history.mark({ at, kind: "deploy", executor, what: `handlers ${told.generation}` });
    }
    if (told.isDraining && before?.isDraining === false) {
      this.history.mark({ at, kind: "drain", executor, what: null });
    }
  }
}
