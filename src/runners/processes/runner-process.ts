/**
 * One process that an executor has started to run what is not its own: a runner, a worker, a command. It is the leader
 * of its group, and has ended only when its group is empty. How much memory it has, with what it started, is looked at
 * while it runs.
 */
import type { ChildExit, ChildProcessHandle } from "../../runtime/index.ts";
import { deathReason } from "./death-reason.ts";
import { LeftOvers } from "./left-overs.ts";
import { memoryOf } from "./memory.ts";
import type { Starter } from "./orphans.ts";
import { descendantsOf, factsOf } from "./proc.ts";

/** A limit of memory that is kept by looking; what is allocated between two looks may be twice that, and no more. */
export interface MemoryLimit {
  /** Of the process and all it started, in bytes. */
  readonly bytes: number;
  /**
   * Beyond it: `kill`: at once. `tell`: it is told, as work may go on until it can be replaced; and it is killed
   * beyond one and a half of it.
   */
  readonly beyond: "kill" | "tell";
}

/** How it ended, and why, as a task's record tells it: see death-reason.ts. */
export interface RunnerEnd extends ChildExit {
  readonly reason: string;
}

/** Beyond so many times its limit it is killed, whatever runs in it. */
const KILLED_BEYOND = 1.5;
/** The kernel refuses it memory for its data beyond so many times its limit. */
const REFUSED_BEYOND = 2;
/** Bun does not start with less, in bytes: it reserves much more than it uses, and can use about half. */
const LEAST_DATA_OF_BUN = 1024 * 1024 * 1024;

/** What the kernel lets it have for its data, in bytes; null: any number. @param isBun - it is a runner of ours. */
export function dataLimitOf(limit: MemoryLimit | null, isBun: boolean): number | null {
  if (limit === null) return null;
  return Math.max(REFUSED_BEYOND * limit.bytes, isBun ? LEAST_DATA_OF_BUN : 0);
}

export class RunnerProcess<Child extends ChildProcessHandle = ChildProcessHandle> implements Starter {
  readonly child: Child;
  readonly pid: number;
  readonly mark: string;
  readonly adopts: boolean;
  /** Resolves once it has ended and nothing is left of its group. Never rejects. */
  readonly ended: Promise<RunnerEnd>;
  /** What attempts leave in it, where it runs one at a time. */
  readonly leftOvers: LeftOvers;
  readonly #limit: MemoryLimit | null;
  readonly #ended = Promise.withResolvers<RunnerEnd>();
  readonly #beyond = Promise.withResolvers<number | null>();
  #memoryBytes = 0;
  /** Groups of what it started that left its own. */
  #strays: ReadonlySet<number> = new Set();

  constructor(child: Child, { mark, adopts, limit }: Omit<Starter, "pid"> & { readonly limit: MemoryLimit | null }) {
    this.child = child;
    this.pid = child.pid;
    this.mark = mark;
    this.adopts = adopts;
    this.ended = this.#ended.promise;
    this.leftOvers = new LeftOvers(child.pid);
    this.#limit = limit;
  }

  /** Of the process and all it started, in bytes, as last looked at. */
  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  /** Resolves with its memory in bytes when that is beyond the limit for the first time; with null at its end. */
  get beyondLimit(): Promise<number | null> {
    return this.#beyond.promise;
  }

  /** Signals its whole group; false: nobody is left in it. */
  kill(signal: "SIGTERM" | "SIGKILL" | "SIGINT"): boolean {
    return this.child.killGroup(signal);
  }

  /**
   * Looks at its memory and at what left its group.
   *
   * @returns the groups of what it started, its own aside.
   */
  look(): ReadonlySet<number> {
    const below = descendantsOf(this.pid);
    this.#lookAtMemory(below);
    const groups = below.map((pid) => factsOf(pid)?.group ?? this.pid).filter((group) => group !== this.pid);
    this.#strays = new Set(groups);
    this.leftOvers.lookWhileIdle();
    return this.#strays;
  }

  /** The groups that the last look found. */
  get strays(): ReadonlySet<number> {
    return this.#strays;
  }

  /** It is over, and nothing of it is left. */
  over(exit: ChildExit): void {
    this.leftOvers.close();
    this.#beyond.resolve(null);
    const limitBytes = this.#limit?.bytes ?? null;
    this.#ended.resolve({ ...exit, reason: deathReason(exit, { bytes: this.#memoryBytes, limitBytes }) });
  }

  #lookAtMemory(below: readonly number[]): void {
    const limit = this.#limit;
    this.#memoryBytes = memoryOf(this.pid, below, limit?.bytes ?? Infinity);
    if (limit === null || this.#memoryBytes <= limit.bytes) return;
    this.#beyond.resolve(this.#memoryBytes);
    if (limit.beyond === "kill" || this.#memoryBytes > KILLED_BEYOND * limit.bytes) this.kill("SIGKILL");
  }
}
