/** What an executor tells over HTTP, as far as the benchmarks ask. */
import { runtime } from "../../../src/runtime/index.ts";

export interface Told {
  readonly done: number;
  readonly failed: number;
}

/** Asks until it answers 200 or the time is over; the moment of that answer, on performance.now(). */
export async function firstAnswer(port: number, path: string, limitMs: number): Promise<number> {
  const deadline = performance.now() + limitMs;
  while (performance.now() < deadline) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      await response.arrayBuffer();
      if (response.status === 200) return performance.now();
    } catch {
      // nothing listens yet
    }
    await runtime.sleep(1);
  }
  throw new Error(`no 200 from port ${port}${path} in ${limitMs} ms`);
}

/** The counts of an executor. */
export async function told(port: number): Promise<Told> {
  const response = await fetch(`http://127.0.0.1:${port}/status`);
  const status: unknown = await response.json();
  if (typeof status !== "object" || status === null || !("done" in status) || !("failed" in status)) {
    throw new Error(`/status tells no counts: ${JSON.stringify(status)}`);
  }
  return { done: Number(status.done), failed: Number(status.failed) };
}
