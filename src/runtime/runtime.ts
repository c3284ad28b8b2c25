/**
 * The contract of the runtime shim: the few things in which Bun, Node and Deno differ, under one set of names.
 * Everything above this folder is written against `Runtime` and never asks which runtime it runs on.
 * Units are in the names: bytes, milliseconds. One file per runtime implements it; index.ts picks one.
 */

import type { LinuxCalls } from "./process/linux-calls.ts";

export type { LinuxCalls } from "./process/linux-calls.ts";

/** The signals that taskexe handles. SIGHUP is listed so that it can be taken later without a change here. */
export type SignalName = "SIGTERM" | "SIGINT" | "SIGUSR1" | "SIGUSR2" | "SIGHUP";

/** Memory of this process, in bytes whatever unit the runtime reports. */
export interface MemoryFigures {
  /** Resident set size now. */
  readonly rssBytes: number;
  /** Live JavaScript heap now; can lag behind until the next collection. */
  readonly heapBytes: number;
  /** The largest resident set size since the process began. */
  readonly maxRssBytes: number;
}

/** What allocation tracking saw between its start and its stop. */
export interface AllocationReport {
  /** Heap in use when the report was made, in bytes. */
  readonly currentBytes: number;
  /** The largest heap in use that was observed while tracking, in bytes. */
  readonly peakBytes: number;
  /** What grew most, largest first, at most 20 rows. `label` is a type (Bun) or a call site (Node, Deno). */
  readonly grown: readonly { readonly label: string; readonly count?: number; readonly bytes?: number }[];
}

/** Allocation tracking: sampled call sites on Node and Deno, differences of object counts on Bun. */
export interface AllocationTracking {
  readonly active: boolean;
  /** Starts tracking; starting twice goes on with the first. */
  start(): Promise<void>;
  /** Current and peak heap since start(); both are the heap now when tracking is off. */
  figures(): { readonly currentBytes: number; readonly peakBytes: number };
  /** Stops tracking and tells what grew; null when it was not active. */
  stop(): Promise<AllocationReport | null>;
}

/** Stands for the address of a Unix socket, and of whoever comes through it. */
export const UNIX_SOCKET = "unix";

export interface ServeOptions {
  /** A host, or `unix:/PATH`: a socket that its owner alone may use; a file there of a dead process is replaced. */
  readonly hostname: string;
  /** 0 takes a free port, which `HttpServer.port` tells. Not looked at for a socket. */
  readonly port: number;
  /**
   * Answers a request. A failure is answered with a plain 500. On Bun and Node a connection silent for 4 minutes is
   * closed, so an answer begins, and a streamed one sends something, well within that time. On Deno the request's
   * signal also aborts after a normal answer.
   */
  readonly fetch: (request: Request, peer: HttpPeer) => Response | Promise<Response>;
}

/** What is known of a client and how it asked. */
export interface HttpPeer {
  /** Its IP address, or {@link UNIX_SOCKET}; empty when it has gone already. */
  readonly address: string;
  /** It speaks HTTP/1.0 or older; always false on Deno, which does not tell. */
  readonly isOld: boolean;
}

export interface HttpServer {
  /** As it was asked for. */
  readonly hostname: string;
  /** The IP address that is bound, whatever way it was spelt; or {@link UNIX_SOCKET}. */
  readonly address: string;
  readonly port: number;
  /** Stops listening and ends open connections; resolves once the port is free. */
  close(): Promise<void>;
}

export interface SpawnOptions {
  readonly cwd?: string;
  /** The whole environment of the child; nothing is inherited unless listed here. Default: the parent's. */
  readonly env?: Readonly<Record<string, string>>;
  /** What the child reads from standard input, then its end; default: nothing. */
  readonly stdin?: string | Uint8Array;
  /** Two pipes beside the usual ones: the child reads descriptor 3 and writes descriptor 4. */
  readonly pipes?: boolean;
}

/** The pipes on descriptors 3 and 4, from the parent's side. Nothing here throws: a child's exit tells how it ended. */
export interface ChildPipes {
  /** Hands text (as UTF-8) or bytes to the child; what it does not take yet waits here. Nothing once it has ended. */
  write(chunk: string | Uint8Array): void;
  /** How many bytes wait for the child to read them. */
  readonly bufferedBytes: number;
  /** The child reads the end of file once it has read what waits. */
  end(): void;
  /** Calls `take` with each chunk from the child; until then nothing is read. Bytes are the receiver's own. */
  onData(take: (bytes: Uint8Array) => void): void;
  /** Calls `ended` once, when the child and whatever it handed descriptor 4 to have closed it. */
  onEnd(ended: () => void): void;
  /** Called once the child cannot be written to: it has closed its descriptor 3, or has ended. */
  onDeaf(deaf: () => void): void;
  /** Reads nothing more until `resume`; a chunk that has been read already may still come. */
  pause(): void;
  resume(): void;
}

export interface ChildExit {
  /** The exit code, or null when a signal ended the child. */
  readonly code: number | null;
  readonly signal: string | null;
}

export interface ChildProcessHandle {
  readonly pid: number;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  /** Resolves when the child has ended; never rejects. */
  readonly exited: Promise<ChildExit>;
  /** Signals the child and everything it started (its process group); false when none is left. */
  killGroup(signal: "SIGTERM" | "SIGKILL" | "SIGINT" | "SIGSTOP" | "SIGCONT"): boolean;
}

export interface PipedChildHandle extends ChildProcessHandle {
  readonly pipes: ChildPipes;
}

/** Starts `command` with `args`, never through a shell, as the leader of its own process group. */
export interface Spawn {
  (
    command: string,
    args: readonly string[],
    options: SpawnOptions & { readonly pipes: true },
  ): Promise<PipedChildHandle>;
  (command: string, args: readonly string[], options?: SpawnOptions): Promise<ChildProcessHandle>;
}

export type SqlValue = string | number | bigint | null | Uint8Array;

export interface SqlStatement {
  run(...values: SqlValue[]): { readonly changes: number | bigint; readonly lastInsertRowid: number | bigint };
  get(...values: SqlValue[]): Record<string, SqlValue> | undefined;
  all(...values: SqlValue[]): Record<string, SqlValue>[];
}

/** A SQLite database: synchronous, one connection. */
export interface SqlDatabase {
  exec(sql: string): void;
  prepare(sql: string): SqlStatement;
  close(): void;
}

/** What a runtime gives. */
export interface Runtime {
  readonly name: "bun" | "node" | "deno";
  readonly version: string;
  /** True inside an executable made by `bun build --compile`. */
  readonly compiled: boolean;
  /**
   * The file that starts this program again: the executable itself when compiled, else the runtime;
   * `args` goes before the program's own arguments (the entry script, when not compiled).
   */
  readonly self: { readonly command: string; readonly args: readonly string[] };
  /** Calls the handler each time the signal comes, in place of the runtime's default; returns what undoes it. */
  onSignal(signal: SignalName, handler: () => void): () => void;
  /** Calls the handler for uncaught exceptions and unhandled rejections; returns what undoes it. */
  onFatal(handler: (error: unknown) => void): () => void;
  /** Resolves after `ms` (0 to any length), or rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  memory(): MemoryFigures;
  /** Collects garbage now where the runtime allows it; tells whether it did. */
  collectGarbage(): boolean;
  /** Gives back the memory that only the start needed, where the runtime can. Blocks for some 10 ms. */
  giveBackMemory(): void;
  /** Writes a heap snapshot that Chrome's tools read, mode 0600. The path must not exist. Blocks for its duration. */
  writeHeapSnapshot(path: string): Promise<void>;
  readonly allocations: AllocationTracking;
  serve(options: ServeOptions): Promise<HttpServer>;
  readonly spawn: Spawn;
  /** Opens (and creates) a SQLite file, or ":memory:". */
  openDatabase(path: string): SqlDatabase;
  /** An id of this machine: the same over restarts, 8 hex digits, not reversible to the machine's own id. */
  hostId(): string;
  /** What only Linux can do for a process, called in the C library; null on Node.js, and where C cannot be called. */
  linuxCalls(): LinuxCalls | null;
}
