/** What an executor tells about itself: the shape of `GET /status`, and where HTTP reads it. */
import type { TreeNode } from "../../concurrency/index.ts";
import type { TreeNote } from "../../concurrency/tree.ts";
import type { HandlerAttempt } from "../../handlers/handler.ts";
import type { RunnerFigures } from "../../handlers/runner-figures.ts";
import type { ExecutorMetrics } from "../../metrics/executor-metrics.ts";
import type { History } from "../../metrics/history.ts";
import type { MemberJson } from "../../operations/views/member-view.ts";
import type { QueueJson } from "../../operations/views/queue-view.ts";
import type { TypeFigures } from "../../operations/views/type-view.ts";
import type { SpanCounts } from "../../tracing/spans.ts";
import type { SourceFigures } from "../intake/source-figures.ts";
import type { StopsJson } from "./stops.ts";

/** `disconnected`: the broker is away; `refused`: it answers, and refuses. */
export type ExecutorState = "starting" | "running" | "draining" | "disconnected" | "refused";

export interface CurrentTask {
  readonly type: string;
  readonly attempt: number;
  readonly progress: number;
  readonly message: string;
  /** ISO 8601. */
  readonly started_at: string;
  readonly queue: string;
  /** True once it was cancelled and did not end within the grace. */
  readonly ignoring_cancel?: true;
}

export interface RunnerJson extends RunnerFigures {
  readonly rss_bytes: number;
  /** ISO 8601; the second is null where it has nothing to do. */
  readonly started_at: string;
  readonly busy_since: string | null;
}

export interface ReloadJson {
  /** `waiting`: two earlier generations have not left yet. `failed`: all goes on as before. */
  readonly state: "waiting" | "loading" | "failed";
  /** ISO 8601. */
  readonly since: string;
  /** Why it has failed: files, lines, what is wrong. */
  readonly reason?: string;
}

/** The processes that run handlers, and which handlers they run. */
export interface RunnersJson {
  /** Which load of the handlers is in charge: 1 is that of the start; 0: nothing was loaded yet. */
  readonly generation: number;
  /** When it was, ISO 8601; null: nothing was loaded yet. */
  readonly loaded_at?: string | null;
  /** A later load that is under way, or has failed; null: there is none. */
  readonly reload?: ReloadJson | null;
  readonly processes: readonly RunnerJson[];
  /** How many attempts wait for one, and have not begun. */
  readonly waiting: number;
  /** Why some cannot be started now. */
  readonly problems: readonly string[];
  /** The kinds of a generation that is being loaded that have not said hello. */
  readonly awaited: readonly string[];
  /** How many are gone that others took the place of, by the reason. */
  readonly restarts: Readonly<Record<string, number>>;
}

/** What is asked of the processes that run handlers. */
export interface RunnersSource {
  view(): RunnersJson;
  /** What lives in them now, for each attempt that one of them has. Never rejects, and waits half a second at most. */
  trees(): Promise<ReadonlyMap<HandlerAttempt, TreeNote>>;
  /** Has each JavaScript one write a heap snapshot of itself there, and logs what became of it. */
  snapshots(pathOf: (pid: number) => string): Promise<void>;
}

export interface ExecutorStatus {
  readonly name: string;
  readonly pid: number;
  readonly version: string;
  readonly state: ExecutorState;
  readonly boot_at: string;
  readonly now: string;
  readonly uptime_s: number;
  readonly concurrency: number;
  /** Of those: by running attempts, and by such as ignore their cancel. */
  readonly slots_taken: number;
  readonly current: Readonly<Record<string, CurrentTask>>;
  /** How many more run than are named; absent: none. */
  readonly current_left_out?: number;
  /** Tasks that were done, or ended as dead or cancelled, here since it booted. */
  readonly done: number;
  readonly dead: number;
  readonly cancelled: number;
  /** Attempts that failed: their tasks are tried again (`retried`), or dead. */
  readonly failed: number;
  readonly retried: number;
  /** Attempts whose lease had gone to another executor: their completion was refused, or they were stopped before. */
  readonly lost: number;
  /** How often a foreign message of a type that none of ours has went back, for executors of other programs. */
  readonly left: number;
  /** How attempts ended that were told to stop, by a cancel, their timeout, a drain: how many, and the last five. */
  readonly stops: StopsJson;
  /** What it has counted of each type since it booted; as many as there is room for. */
  readonly types?: Readonly<Record<string, TypeFigures>>;
  /** Tasks that were cancelled, ignored it, and run on without a nursery: each keeps its slot. */
  readonly abandoned: number;
  /**
   * When `pending`, `lag`, `queues` and `fleet` were read from the broker, ISO 8601; null: not yet. The rest is of
   * `now`.
   */
  readonly counted_at: string | null;
  /** The sums of `running` and `queued` over the queues. */
  readonly pending: number;
  readonly lag: number;
  readonly memory: { readonly rss_bytes: number; readonly heap_bytes: number; readonly max_rss_bytes: number };
  /** From which tasks are moved in, and what each has given here; absent: none. */
  readonly sources?: readonly SourceFigures[];
  /** Absent: nobody collects spans. */
  readonly spans?: SpanCounts;
  /** Absent where the executor does not know how its handlers are loaded. */
  readonly runners?: RunnersJson;
  readonly broker: {
    readonly kind: string;
    readonly url: string;
    readonly state: "connected" | "away" | "refusing";
    readonly connected: boolean;
    /** Of the present trouble; null while connected. */
    readonly last_error: string | null;
    /** What is not right though tasks run. */
    readonly warnings: readonly string[];
  };
  /** Tasks that say that they wait and that nothing holds; the first ids. Counted by the clean-ups; null: not yet. */
  readonly vanished: { readonly count: number; readonly ids: readonly string[]; readonly counted_at: string | null };
  /** Those of this executor, then all others that are known. `pending` and `lag` are of its own alone. */
  readonly queues: readonly QueueJson[];
  /** How many more queues there are; absent: none. */
  readonly queues_left_out?: number;
  /** The last heartbeats of all executors, this one's among them. */
  readonly fleet: readonly MemberJson[];
  /** How many more executors there are; absent: none. */
  readonly fleet_left_out?: number;
}

export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

/** Where HTTP reads metrics, and counts its requests. */
export interface MetricsSource {
  readonly counts: ExecutorMetrics;
  /** What has happened in the fleet since it began. */
  readonly history: History;
  /** Keeps it, until the signal aborts: begun by whoever shows it, since that asks the broker now and then. */
  keepHistory(signal: AbortSignal): Promise<never>;
  /** The text of /metrics. */
  text(): string;
  /** That of /metrics/broker; null: the broker was not read for so long that nothing can be told. */
  ofBroker(): string | null;
}

/** Where HTTP reads: from memory. */
export interface StatusSource {
  /** To be awaited before `status`: lets the broker's figures be read, and waits half a second for them at the most. */
  look(): Promise<void>;
  status(): ExecutorStatus;
  /** Ready only while the claim loop makes progress. */
  readiness(): Readiness;
  /** Asks the runners what lives in them, and waits half a second for that at the most. */
  tree(): Promise<TreeNode>;
  readonly metrics: MetricsSource;
}
