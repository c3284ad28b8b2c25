/**
 * bunqueue, embedded: fills its queue with no-op jobs and empties it in this one process, as it is meant to be used.
 * The clock runs from the moment the first part of the jobs is done, as for every side, to the moment its own counts
 * show nothing waiting and nothing active, so completions that are still on their way to the disk are not waited for:
 * that favours bunqueue. Arguments: concurrency, number of jobs, the database file (none: in memory). Writes one line
 * of JSON: {"tasks","seconds","coldRate","cpuMs","rssBytes"}.
 */
import { Queue, shutdownManager, Worker } from "bunqueue/client";
import { WARM_UP } from "../drain.ts";

const [concurrencyText, countText, dataPath] = process.argv.slice(2);
const concurrency = Number(concurrencyText);
const count = Number(countText);
if (!(concurrency > 0) || !(count > 0)) throw new Error("usage: bunqueue-consume.ts CONCURRENCY COUNT [FILE]");

const where = { embedded: true, ...(dataPath === undefined ? {} : { dataPath }) };
const queue = new Queue("noop", where);
for (let done = 0; done < count; done += 1000) {
  const jobs = Array.from({ length: Math.min(1000, count - done) }, () => ({
    name: "noop",
    data: null,
    opts: { removeOnComplete: true },
  }));
  await queue.addBulk(jobs);
}

let completed = 0;
/** When the clock started, and after how many jobs. */
let start = { at: 0, cpu: process.cpuUsage(), completed: 0 };
const worker = new Worker("noop", async () => {}, {
  ...where,
  concurrency,
  // Pull and acknowledge as many at once as may run at once: its default of 10 is slower at 100.
  batchSize: Math.max(10, concurrency),
  removeOnComplete: true,
  autorun: false,
});
const finished = new Promise<void>((resolve, reject) => {
  worker.on("completed", () => {
    completed++;
    if (completed === Math.ceil(count * WARM_UP)) start = { at: performance.now(), cpu: process.cpuUsage(), completed };
    if (completed === count) resolve();
  });
  worker.on("failed", (_job: unknown, error: Error) => reject(error));
  worker.on("error", reject);
});
const began = performance.now();
worker.run();
await finished;
while (await busy()) await Bun.sleep(1);
const ended = performance.now();
const { user, system } = process.cpuUsage(start.cpu);
console.log(
  JSON.stringify({
    tasks: count - start.completed,
    seconds: (ended - start.at) / 1000,
    coldRate: (count * 1000) / (ended - began),
    cpuMs: (user + system) / 1000,
    rssBytes: process.memoryUsage.rss(),
  }),
);
await worker.close();
shutdownManager();
process.exit(0);

async function busy(): Promise<boolean> {
  const counts = await queue.getJobCounts();
  return (counts.waiting ?? 0) > 0 || (counts.active ?? 0) > 0;
}
