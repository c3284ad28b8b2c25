/**
 * A BullMQ worker whose processor is a file, so that each job runs in one of so many processes; all else is as in
 * bullmq-consume.ts. Runs until SIGTERM. Arguments: port, concurrency.
 */
import { Worker } from "bullmq";
import { script } from "../scripts.ts";

const [port, concurrency] = process.argv.slice(2).map(Number);
if (port === undefined || concurrency === undefined) throw new Error("usage: bullmq-sandbox.ts PORT CONCURRENCY");

const worker = new Worker("noop", script("rivals/bullmq-processor.ts"), {
  connection: { host: "127.0.0.1", port, maxRetriesPerRequest: null },
  concurrency,
});
worker.on("error", (error) => console.error(error));
await worker.waitUntilReady();
console.error("ready");
process.once("SIGTERM", async () => {
  await worker.close(true);
  process.exit(0);
});
