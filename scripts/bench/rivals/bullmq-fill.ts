/**
 * Fills a BullMQ queue with no-op jobs by addBulk of 1 000, one call after the other, and tells how long that took.
 * Arguments: port, number of jobs, what becomes of completed ones: "removed" (default) or "kept", and the
 * data of each as JSON (default null). Writes {"seconds"} to standard output.
 */
import { Queue } from "bullmq";

const [port, count] = process.argv.slice(2, 4).map(Number);
const completed = process.argv[4] ?? "removed";
const data: unknown = JSON.parse(process.argv[5] ?? "null");
if (port === undefined || count === undefined || !["removed", "kept"].includes(completed))
  throw new Error("usage: bullmq-fill.ts PORT COUNT [removed | kept] [DATA]");

// Its production guide's advice is that finished jobs do not stay; its default is that they do.
const opts = completed === "removed" ? { removeOnComplete: true } : {};

const queue = new Queue("noop", { connection: { host: "127.0.0.1", port } });
await queue.waitUntilReady();
const began = performance.now();
for (let done = 0; done < count; done += 1000) {
  const jobs = Array.from({ length: Math.min(1000, count - done) }, () => ({
    name: "noop",
    data,
    opts,
  }));
  await queue.addBulk(jobs);
}
console.log(JSON.stringify({ seconds: (performance.now() - began) / 1000 }));
await queue.close();
