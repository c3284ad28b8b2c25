/**
 * A BullMQ worker that does nothing with each job, as its documentation advises: one Worker with the given
 * concurrency, its own locks and stalled checks left on (ours renews leases too). Runs until SIGTERM.
 * Arguments: port, concurrency. With a third, a file: appends "id time" for each job as its processor begins.
 */
import { appendFileSync } from "node:fs";
import { Worker } from "bullmq";

const [port, concurrency] = process.argv.slice(2, 4).map(Number);
const file = process.argv[4];
if (port === undefined || concurrency === undefined)
  throw new Error("usage: bullmq-consume.ts PORT CONCURRENCY [FILE]");

const worker = new Worker(
  "noop",
  file === undefined
    ? async () => {}
    : async (job) => {
        const now = performance.timeOrigin + performance.now();
        appendFileSync(file, `${job.id} ${now}\n`);
      },
  { connection: { host: "127.0.0.1", port, maxRetriesPerRequest: null }, concurrency },
);
worker.on("error", (error) => console.error(error));
await worker.waitUntilReady();
console.error("ready");
process.once("SIGTERM", async () => {
  await worker.close(true);
  process.exit(0);
});
