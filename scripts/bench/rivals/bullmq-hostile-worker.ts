/**
 * BullMQ's Worker of the hostile benchmark. Closes on SIGTERM, as its guide has it.
 * Arguments: port, concurrency, MB.
 */
import { Worker } from "bullmq";
import { script } from "../scripts.ts";

const [port, concurrency, memoryMb] = process.argv.slice(2).map(Number);
if (port === undefined || concurrency === undefined || memoryMb === undefined)
  throw new Error("usage: bullmq-hostile-worker.ts PORT CONCURRENCY MB");

const worker = new Worker("hostile", script("rivals/bullmq-hostile-processor.ts"), {
  connection: { host: "127.0.0.1", port, maxRetriesPerRequest: null },
  concurrency,
  workerForkOptions: { execArgv: [...process.execArgv, `--max-old-space-size=${memoryMb}`] },
});
worker.on("error", (error) => console.error(error));
process.once("SIGTERM", async () => {
  await worker.close();
  process.exit(0);
});
