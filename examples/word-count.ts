/**
 * Counts the words of a file that may not be there yet: as long as it is missing, the attempt fails and is made again
 * later. Shows retries: how often and when are the handler's to say, and a task may say otherwise.
 *
 *   taskexe enqueue word_count '{"path": "report.txt"}'
 */
import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import { defineTask } from "taskexe";
import * as v from "valibot";

export default defineTask({
  type: "word_count",
  payload: v.object({ path: v.pipe(v.string(), v.nonEmpty()) }),
  attempts: 5,
  // A random time up to 1 s, 2 s, 4 s, 8 s.
  backoff: { kind: "exponential", delay_ms: 1000, max_ms: 60_000 },
  timeoutMs: 10 * 60_000,
  async run({ payload, attempt, signal, log }) {
    log.debug("counting", { path: payload.path, attempt });
    let words = 0;
    let lines = 0;
    let inWord = false;
    const parts: AsyncIterable<string> = createReadStream(resolve(payload.path), { encoding: "utf8" });
    for await (const part of parts) {
      signal.throwIfAborted();
      for (const char of part) {
        const space = /\s/.test(char);
        if (!space && !inWord) words++;
        inWord = !space;
        if (char === "\n") lines++;
      }
    }
    return { words, lines };
  },
});
