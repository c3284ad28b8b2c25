/**
 * The processes a benchmark starts: each is known by its pid, and each is ended, whatever happens to the run.
 * Consumers run apart from the measuring process, so that neither takes the other's event loop.
 */
import { runtime } from "../../src/runtime/index.ts";
import type { ChildProcessHandle, SpawnOptions } from "../../src/runtime/runtime.ts";

const live = new Set<ChildProcessHandle>();

export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

export interface Running {
  readonly pid: number;
  /** Resolves when the process has ended, with all it wrote. */
  readonly finished: Promise<Finished>;
  /** What it wrote to standard error so far. */
  stderr(): string;
  /** Asks it to end (SIGTERM), ends it by force after `graceMs`, and waits for its end. */
  stop(graceMs?: number): Promise<Finished>;
}

/** Starts a process whose output is kept. */
export async function start(command: string, args: readonly string[], options: SpawnOptions = {}): Promise<Running> {
  const child = await runtime.spawn(command, args, options);
  live.add(child);
  let stderr = "";
  const finished = (async (): Promise<Finished> => {
    const [stdout, , { code }] = await Promise.all([
      collect(child.stdout, () => {}),
      collect(child.stderr, (text) => {
        stderr += text;
      }),
      child.exited,
    ]);
    live.delete(child);
    return { stdout, stderr, code };
  })();
  return {
    pid: child.pid,
    finished,
    stderr: () => stderr,
    async stop(graceMs = 10_000) {
      child.killGroup("SIGTERM");
      const ended = new AbortController();
      const forced = runtime.sleep(graceMs, ended.signal).then(
        () => child.killGroup("SIGKILL"),
        () => false,
      );
      const result = await finished;
      ended.abort();
      await forced;
      return result;
    },
  };
}

/** Runs a process to its end; its output. Throws when it fails, with what it wrote to standard error. */
export async function run(command: string, args: readonly string[], options: SpawnOptions = {}): Promise<string> {
  const { finished } = await start(command, args, options);
  const { code, stdout, stderr } = await finished;
  if (code !== 0) throw new Error(`${[command, ...args].join(" ")} ended with ${code}:\n${stderr.slice(-2000)}`);
  return stdout;
}

/** Ends at once whatever still runs: for an interrupted run. */
export function endAll(): void {
  for (const child of live) child.killGroup("SIGKILL");
}

async function collect(stream: ReadableStream<Uint8Array>, heard: (text: string) => void): Promise<string> {
  const decoder = new TextDecoder();
  let all = "";
  for await (const chunk of stream) {
    const text = decoder.decode(chunk, { stream: true });
    heard(text);
    // The last part is enough: a chatty process must not grow the measuring one.
    all = (all + text).slice(-4_000_000);
  }
  return all;
}
