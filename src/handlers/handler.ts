/**
 * The seam between the executor and the code that runs a type. The executor knows a handler by its manifest (type,
 * options, a check of payloads) and starts attempts on it; where the code runs, and in which language, is the handler's
 * own business. All that passes here is data, but for the scope that cancels: errors come as records, results as JSON.
 */
import type { AbandonedTask, CancelScope } from "../concurrency/index.ts";
import type { KeptLock, LockTerms } from "../task/lock/lock.ts";
import type { EnqueueDefaults } from "../task/options/enqueue-defaults.ts";
import type { Backoff, RunOptions } from "../task/options/run-options.ts";
import type { EndedBy } from "../task/record/ended-by.ts";
import type { ErrorRecord } from "../task/record/record.ts";
import type { TraceContext } from "../task/trace/trace-context.ts";
import type { EnqueuedTask, TaskInfo, TaskLogLevel } from "./define-task.ts";
import type { PayloadReading } from "./read-payload.ts";

/** What a definition says of its tasks, as data. What is absent comes from the configuration. */
export interface HandlerOptions extends EnqueueDefaults, RunOptions {
  /** Absent also where a function of the handler's says it: that is asked on the handler's side. */
  readonly backoff?: Backoff | undefined;
  /** Absent: as the setting says. */
  readonly isolation?: "shared" | "own" | undefined;
}

/** What is known of a handler without running it. */
export interface HandlerManifest {
  readonly type: string;
  readonly options: HandlerOptions;
  /**
   * Whether a payload would be accepted; null: it takes any. The attempt checks its own.
   *
   * @throws (rejects) what a check of the schema throws.
   */
  readonly checkPayload: ((payload: unknown) => Promise<PayloadReading>) | null;
  /** What payloads it takes, as JSON Schema; null, or absent: it does not tell. Never rejects. */
  readonly payloadSchema?: () => Promise<Readonly<Record<string, unknown>> | null>;
}

export interface Handler extends HandlerManifest {
  /**
   * Whether its code is a user's and runs in the executor's own process: what kills it kills the executor, and all that
   * runs so beside it. Absent: no.
   */
  readonly isInline?: boolean;
  /**
   * Runs an attempt to its end.
   *
   * @param scope - its cancel is the attempt's, whatever the reason.
   * @throws (rejects) the cancellation of `scope`, and nothing else: whatever the code throws is an ending.
   */
  start(attempt: HandlerAttempt, scope: CancelScope): Promise<HandlerEnding>;
  /**
   * In how many ms the next attempt is due by the handler's own function; null: it has none, or gave no delay. For
   * failures that the handler has not seen, as a timeout.
   */
  delayAfter(attempt: number, error: Error): number | null;
}

/** All handlers of one executor. */
export interface Handlers {
  get(type: string): Handler | undefined;
  /** All types, sorted. */
  types(): readonly string[];
}

/** Why an attempt must stop: `lost` is its lease, `drain` that the executor leaves. */
export type CancelReason = "cancelled" | "timeout" | "deadline" | "lost" | "drain";

/** One attempt, as its executor hands it to the handler. */
export interface HandlerAttempt {
  readonly id: string;
  readonly type: string;
  readonly task: TaskInfo;
  readonly payload: unknown;
  /** Where it is to be run by somebody else: the payload as its producer wrote it, on one line of JSON. */
  readonly payloadText: string;
  /** Whether another producer wrote the task: its payload is the whole message. */
  readonly isForeign: boolean;
  /** Which attempt this is, from 1. */
  readonly attempt: number;
  /** How often the task crashed: the process that ran it died, and it ran alone there. */
  readonly crashes: number;
  /**
   * A process died over the task in company. So many at most may run beside it in a process that could die with it: 0:
   * it runs alone. null: it is no suspect.
   */
  readonly suspect: Suspect | null;
  /** How long the code may take to end once it is cancelled, in ms. */
  readonly graceMs: number;
  /** Whether the handler's own function, where it has one, is to say when the next attempt is due. */
  readonly asksForDelay: boolean;
  /** When the task must have ended, in ms from now; null: it has no deadline. */
  readonly deadlineInMs: number | null;
  /** Why its scope was cancelled; to be asked once it was. */
  readonly cancelReason: CancelReason;
  /** The trace that it belongs to; null, or absent: none. */
  readonly trace?: TraceContext | null | undefined;
  /** It waits for what others have, as a process of its own: until it begins it holds no slot. */
  waits(): void;
  /** The code is called now: its timeout and its start count from here. Saying it again changes nothing. */
  begun(): void;
  /** @param value - 0 to 1, or -1 for failed. */
  tellProgress(value: number, message: string): void;
  writeLog(line: HandlerLogLine): void;
  /**
   * Enqueues tasks with this one as their parent, all or none; gives what became of each, in order.
   *
   * @param tasks - as src/task/message/child-task.ts has them, at most 1 000; they are checked here.
   * @throws (rejects) RefusedEnqueueError where the attempt has ended or has lost its lease; InvalidTaskError; what the
   *   broker throws.
   */
  enqueue(tasks: readonly unknown[]): Promise<readonly EnqueuedTask[]>;
  /**
   * Takes a lock of the whole fleet, which is renewed until it is given back, at the end of the attempt at the latest.
   *
   * @param signal - ends the wait; absent: the cancel of the attempt does.
   * @returns null: another one held it for as long as was to be waited.
   * @throws (rejects) LockRefusedError where the attempt has ended, has lost its lease, or has too many; the signal's
   *   reason; what the broker throws.
   */
  takeLock(terms: LockTerms, signal?: AbortSignal): Promise<KeptLock | null>;
  /**
   * Gives a lock of the attempt back.
   *
   * @param fence - of which holding; absent: whichever has that name.
   */
  freeLock(name: string, fence: number | undefined): Promise<void>;
  /** A part of the attempt ignores its cancel, and runs on. */
  leaveBehind(part: AbandonedTask): void;
  /**
   * How the code ended once it was cancelled, where the executor cannot see it by itself: said before `start` settles.
   * Unsaid: the code has heeded its cancel, after as long as that took.
   */
  tellEndedBy(endedBy: EndedBy): void;
  /**
   * In how many ms the next attempt is due after its time was over, by the code's own function, where `delayAfter` of
   * the handler cannot ask that: said before `start` settles.
   */
  tellDelay(ms: number): void;
}

/** What code that runs in this very process needs of its attempt, whoever placed it here. */
export type CodeAttempt = Pick<
  HandlerAttempt,
  | "id"
  | "type"
  | "task"
  | "payload"
  | "attempt"
  | "graceMs"
  | "asksForDelay"
  | "trace"
  | "begun"
  | "enqueue"
  | "takeLock"
  | "tellProgress"
  | "writeLog"
  | "leaveBehind"
>;

/** How that can end: whoever could tell of its death would be dead. */
export type CodeEnding = Extract<HandlerEnding, { kind: "done" | "failed" }>;

/** How many may run beside a suspect. */
export interface Suspect {
  readonly company: number;
}

/** A line that a handler logs. */
export interface HandlerLogLine {
  readonly level: TaskLogLevel;
  /** In braces it names properties. */
  readonly text: string;
  readonly properties: Readonly<Record<string, unknown>> | null;
  /** The whole line as the task's own log keeps it. */
  readonly plain: string;
}

/** How the code of an attempt ended. */
export type HandlerEnding =
  | {
      readonly kind: "done";
      /** JSON text; null: there is none. */
      readonly result: string | null;
      /** Why there is no result although the handler gave one; null: there is, or it gave none. */
      readonly omitted: string | null;
    }
  | {
      readonly kind: "failed";
      readonly error: ErrorRecord;
      /** Whether another attempt may help. */
      readonly retry: boolean;
      /** When the next attempt is due, in ms; null: the handler does not say. */
      readonly retryInMs: number | null;
      /** It was asked for, and nothing went wrong: the next attempt has the same number. */
      readonly later: boolean;
      /** Of one that is to come later: its code has not run, so it counts for no bound, and clears it of nothing. */
      readonly isUnrun?: boolean;
    }
  /** The process died that ran it, and nothing had begun in that process beside or before it: one crash is charged. */
  | {
      readonly kind: "crashed";
      /** What the process died of: `killed by SIGSEGV`, `exit code 7`. At most 200 characters of it are kept. */
      readonly reason: string;
    }
  /** The process died that ran it, and another may have caused that: nobody is charged, it runs again as a suspect. */
  | {
      readonly kind: "suspected";
      /** How many others had begun in that process and not ended; 0: some had ended there before. */
      readonly company: number;
      readonly reason: string;
    };
