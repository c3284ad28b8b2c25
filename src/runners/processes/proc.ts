/**
 * What /proc tells of a process: who its children are, which group and session it is in, how much memory it has. A
 * process may be gone at any moment, and on other systems than Linux there is no /proc: then nothing is told, and
 * nothing here throws.
 */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";

export interface ProcessFacts {
  readonly pid: number;
  /** R runs, S sleeps, Z is dead and not buried. */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
}

/** Null: it is gone. */
export function factsOf(pid: number): ProcessFacts | null {
  const stat = textOf(`/proc/${pid}/stat`);
  // The second field is the name of the program, which may hold spaces and brackets.
  const [state, parent, group, session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (state === undefined || session === undefined) return null;
  return { pid, state, parent: Number(parent), group: Number(group), session: Number(session) };
}

/** Whether it was started with this in its environment. */
export function hasInEnvironment(pid: number, assignment: string): boolean {
  return `\0${textOf(`/proc/${pid}/environ`)}`.includes(`\0${assignment}`);
}

/** The threads of a process: each has children of its own. */
export function threadsOf(pid: number): readonly number[] {
  return numbersIn(`/proc/${pid}/task`);
}

/** The children of a process, by whichever of its threads they were started. */
export function childrenOf(pid: number): number[] {
  return threadsOf(pid).flatMap((thread) => pidsIn(textOf(`/proc/${pid}/task/${thread}/children`)));
}

/** Those below a process, the nearest first; at most so many. */
export function descendantsOf(pid: number, most = 1_000): number[] {
  const found = childrenOf(pid);
  for (let at = 0; at < found.length && found.length < most; at++) found.push(...childrenOf(found[at] ?? 0));
  return found.slice(0, most);
}

/** All processes that this one can see. It costs some 10 us each to look at them. */
export function allProcesses(): readonly number[] {
  return numbersIn("/proc");
}

/** The pages of a process that are in memory, in bytes; 0 where it is gone. Pages that it shares count in full. */
export function residentBytes(pid: number): number {
  return Number(textOf(`/proc/${pid}/statm`).split(" ")[1] ?? 0) * PAGE;
}

/** The same, where a page that n share counts a nth; null: not told. Costs about a millisecond. */
export function proportionalBytes(pid: number): number | null {
  const kilobytes = /^Pss:\s+(\d+) kB$/m.exec(textOf(`/proc/${pid}/smaps_rollup`))?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}

/** In bytes, on every machine that Bun and Node.js run on but some arm64 ones, whose figures are then too low. */
const PAGE = 4_096;

/** A list of children that is longer than this is no longer told whole. */
const MOST_BYTES = 16 * 1024;

/**
 * The children that the main thread of a process started, for the price of one read: the file is kept open. Nobody
 * need look at the answer as long as it is the same text.
 */
export class ChildList {
  readonly #descriptor: number | null;
  readonly #bytes = Buffer.alloc(MOST_BYTES);

  constructor(pid: number) {
    this.#descriptor = openedOrNull(`/proc/${pid}/task/${pid}/children`);
  }

  /** Pids with spaces between them; empty: it has none, or cannot be asked. */
  text(): string {
    if (this.#descriptor === null) return "";
    try {
      const length = readSync(this.#descriptor, this.#bytes, 0, MOST_BYTES, 0);
      return length === 0 ? "" : this.#bytes.toString("latin1", 0, length);
    } catch {
      // It is gone.
      return "";
    }
  }

  pids(): number[] {
    return pidsIn(this.text());
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
  }
}

/** Sends a signal; false: there is nobody who could be sent it. */
export function signalTo(pid: number, signal: "SIGKILL" | "SIGSTOP"): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    // It is gone, or another user's.
    return false;
  }
}

function pidsIn(text: string): number[] {
  return text === "" ? [] : text.trim().split(" ").map(Number);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function numbersIn(folder: string): number[] {
  try {
    return readdirSync(folder).map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

function openedOrNull(path: string): number | null {
  try {
    return openSync(path, "r");
  } catch {
    return null;
  }
}
