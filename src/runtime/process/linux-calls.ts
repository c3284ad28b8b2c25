/**
 * The calls of Linux that a supervisor of processes needs and no runtime offers: they are made in the C library itself,
 * which Bun and Deno let us do. Node.js does not, and neither does a process that may make no code at run time
 * (systemd's MemoryDenyWriteExecute): then there are none, and whoever wants them says what is lost.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { constants } from "node:os";

/** How an argument is handed over: a C int, a C long, or the bytes of an array. */
export type Argument = "int" | "long" | "bytes";
/** Each gives a C int. */
export type Signatures = Readonly<Record<string, readonly Argument[]>>;
export type LibraryCall = (...values: (number | bigint | Uint8Array | Int32Array | BigUint64Array)[]) => number;

/** What a runtime gives where it can call C: it opens a library, or throws. */
export interface ForeignCalls {
  open(name: string, signatures: Signatures): Readonly<Record<string, LibraryCall>>;
  /** Where the bytes stand in memory; null: it does not tell. They must be held for as long as that is used. */
  readonly address: ((bytes: Uint8Array) => bigint) | null;
}

/** Numbers of the kernel: prctl(2), prlimit(2), waitpid(2), fcntl(2), madvise(2). */
const PR_SET_PDEATHSIG = 1;
const PR_SET_DUMPABLE = 4;
const PR_SET_CHILD_SUBREAPER = 36;
const RLIMIT_DATA = 2;
const WNOHANG = 1;
const F_SETFD = 2;
const MADV_DONTNEED = 4;

const SIGNATURES = {
  prctl: ["int", "long", "long", "long", "long"],
  getppid: [],
  waitpid: ["int", "bytes", "int"],
  prlimit: ["int", "int", "bytes", "bytes"],
  fcntl: ["int", "int", "int"],
  signal: ["int", "long"],
  execvp: ["bytes", "bytes"],
  madvise: ["long", "long", "int"],
} as const satisfies Signatures;

export interface LinuxCalls {
  /** This process is killed when the thread that started it ends, however that happens. */
  dieWithParent(): void;
  /** Who started this process, now: another one, once that has died. */
  parent(): number;
  /** What those that this process started leave behind comes to it, and to nobody else. Survives an exec. */
  adoptOrphans(): void;
  /** Other processes of the same user cannot read this one's memory or environment any more, nor can it by /proc. */
  closeToOthers(): void;
  /** Takes a dead child out of the list of processes. False: it lives, or it is no child of this process. */
  reap(pid: number): boolean;
  /**
   * Lets go of the machine code of this program that is in its memory: it comes back from the file, page by page, where
   * it is needed again, and what only the start needed does not.
   */
  forgetCode(): void;
  /** Bounds the memory that a process may take for its data, in bytes. False: it could not be done. */
  limitData(pid: number, bytes: number): boolean;
  /**
   * This process becomes that command, with the same pid; these descriptors stay open. Returns only where it cannot.
   * Null: not on this runtime.
   */
  readonly become: ((command: string, args: readonly string[], descriptors: readonly number[]) => void) | null;
}

/** The calls of this process, opened once, when first asked for; null where there are none. */
export function linuxCalls(foreign: ForeignCalls | null): () => LinuxCalls | null {
  let opened: LinuxCalls | null | undefined;
  return () => {
    if (opened === undefined) opened = foreign === null || process.platform !== "linux" ? null : open(foreign);
    return opened;
  };
}

function open(foreign: ForeignCalls): LinuxCalls | null {
  const machine = process.arch === "arm64" ? "aarch64" : "x86_64";
  for (const name of ["libc.so.6", `libc.musl-${machine}.so.1`]) {
    try {
      return callsOf(foreign.open(name, SIGNATURES) as Calls, foreign.address);
    } catch {
      // Another C library, or none may be called: ask the next.
    }
  }
  return null;
}

interface Mapping {
  readonly from: number;
  readonly bytes: number;
}

/** Where the machine code of this program stands in memory: it is never written, so the file has all of it. */
function machineCode(): Mapping[] {
  try {
    const program = readlinkSync("/proc/self/exe");
    const lines = readFileSync("/proc/self/maps", "latin1").split("\n");
    return lines.flatMap((line) => {
      const [, from = "", to = "", path] = /^([\da-f]+)-([\da-f]+) r-xp \S+ \S+ \d+ +(.+)$/.exec(line) ?? [];
      const start = Number.parseInt(from, 16);
      return path === program ? [{ from: start, bytes: Number.parseInt(to, 16) - start }] : [];
    });
  } catch {
    // Where there is no /proc it stays.
    return [];
  }
}

type Calls = Readonly<Record<keyof typeof SIGNATURES, LibraryCall>>;

function callsOf(c: Calls, address: ForeignCalls["address"]): LinuxCalls {
  const set = (option: number, value: number): void => {
    c.prctl(option, value, 0, 0, 0);
  };
  let code: readonly Mapping[] | null = null;
  return {
    dieWithParent: () => set(PR_SET_PDEATHSIG, constants.signals.SIGKILL),
    parent: () => c.getppid(),
    adoptOrphans: () => set(PR_SET_CHILD_SUBREAPER, 1),
    closeToOthers: () => {
      // Nor can we read it from then on.
      code ??= machineCode();
      set(PR_SET_DUMPABLE, 0);
    },
    forgetCode: () => {
      code ??= machineCode();
      for (const { from, bytes } of code) c.madvise(from, bytes, MADV_DONTNEED);
    },
    reap: (pid) => c.waitpid(pid, new Int32Array(1), WNOHANG) === pid,
    limitData: (pid, bytes) => {
      const limit = BigInt(Math.round(bytes));
      return c.prlimit(pid, RLIMIT_DATA, new BigUint64Array([limit, limit]), new BigUint64Array(2)) === 0;
    },
    become:
      address === null
        ? null
        : (command, args, descriptors) => {
            // Bun marks all but the first three to be closed by an exec, and lets one signal be ignored.
            for (const descriptor of descriptors) c.fcntl(descriptor, F_SETFD, 0);
            for (const signal of [constants.signals.SIGPIPE, constants.signals.SIGXFSZ]) c.signal(signal, 0);
            const texts = [command, ...args].map((text) => Buffer.from(`${text}\0`));
            const pointers = new BigUint64Array([...texts.map(address), 0n]);
            c.execvp(texts[0] ?? Buffer.of(0), pointers);
          },
  };
}
