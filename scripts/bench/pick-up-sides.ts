/** The sides of the pick-up benchmark: each starts an idle consumer that notes when a handler begins. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { Queue } from "bullmq";
import { runtime } from "../../src/runtime/index.ts";
import { openClient, request } from "./ours/client.ts";
import { firstAnswer } from "./ours/http.ts";
import { program, startExecutor } from "./ours/program.ts";
import { start } from "./processes.ts";
import { freePort, type RedisServer } from "./redis-server.ts";
import { type ScriptRuntime, script } from "./scripts.ts";

const READY_MS = 20_000;
/** Tasks at once in the consumer: the default of an executor, for both. */
const CONCURRENCY = 5;

/** An idle consumer and its producer. */
export interface PickUp {
  /** Enqueues one task and gives its id; resolves once the broker has it. */
  enqueue(): Promise<string>;
  stop(): Promise<void>;
}

export interface PickUpSide {
  readonly name: string;
  readonly durability: string;
  /** Starts the consumer and waits until it is ready; it appends "id time" to the file. */
  begin(folder: string, times: string): Promise<PickUp>;
}

/** @param isolation - where the handler runs: `inline` was the only place in earlier figures. */
export function ourPickUp(
  where: string,
  isolation: "shared" | "inline",
  durability: string,
  url: (folder: string) => string,
): PickUpSide {
  return {
    name: `taskexe on ${where} (${program().label}), ${isolation}`,
    durability,
    async begin(folder, times) {
      const broker = url(folder);
      const httpPort = await freePort();
      const executor = await startExecutor({
        broker,
        concurrency: CONCURRENCY,
        home: folder,
        httpPort,
        tasks: script("ours/pick-up-task.ts"),
        flags: { "--isolation": isolation },
        extraEnvironment: { BENCH_TIMES: times },
      });
      try {
        await firstAnswer(httpPort, "/readyz", READY_MS);
        const client = await openClient(broker);
        return {
          async enqueue() {
            const task = request("pick-up");
            await client.enqueue([task]);
            return task.id;
          },
          async stop() {
            await client.close();
            await executor.stop();
          },
        };
      } catch (error) {
        const { stderr } = await executor.stop();
        throw new Error(`the executor was not ready:\n${stderr.slice(-2000)}`, { cause: error });
      }
    },
  };
}

export function sqliteUrl(folder: string): string {
  return `sqlite:${join(folder, "tasks.db")}`;
}

export function bullmqPickUp(server: RedisServer, on: ScriptRuntime): PickUpSide {
  return {
    name: `BullMQ on ${on.name}`,
    durability: server.durability,
    async begin(_folder, times) {
      const args = [script("rivals/bullmq-consume.ts"), String(server.port), String(CONCURRENCY), times];
      const worker = await start(on.command, [...on.args, ...args]);
      const deadline = performance.now() + READY_MS;
      while (!worker.stderr().includes("ready")) {
        if (performance.now() > deadline) {
          await worker.stop();
          throw new Error(`the BullMQ worker was not ready:\n${worker.stderr()}`);
        }
        await runtime.sleep(10);
      }
      const queue = new Queue("noop", { connection: { host: "127.0.0.1", port: server.port } });
      return {
        async enqueue() {
          const jobId = randomUUID();
          await queue.add("noop", null, { jobId, removeOnComplete: true });
          return jobId;
        },
        async stop() {
          await queue.close();
          await worker.stop();
        },
      };
    },
  };
}
