/**
 * A redis-server of the benchmark's own: a free port of loopback, a temporary folder, ended by its pid.
 * All Redis sides of a run share one server and so one durability.
 */
import { createServer } from "node:net";
import { Redis } from "ioredis";
import { runtime } from "../../src/runtime/index.ts";
import { type Running, start } from "./processes.ts";
import { removeFolders, tempFolder } from "./temp-folders.ts";

/** How Redis writes to disk: not at all, or an append-only file that is synced each second or at each write. */
export type Durability = "none" | "everysec" | "always";

export interface RedisServer {
  readonly port: number;
  readonly pid: number;
  /** The address of a database on it. */
  url(database: number): string;
  readonly durability: string;
  stop(): Promise<void>;
}

export async function startRedis(durability: Durability): Promise<RedisServer> {
  const folder = tempFolder();
  const port = await freePort();
  const settings = {
    bind: "127.0.0.1",
    port: String(port),
    dir: folder,
    save: "",
    appendonly: durability === "none" ? "no" : "yes",
    ...(durability === "none" ? {} : { appendfsync: durability }),
  };
  const args = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value]);
  const server = await start("redis-server", args);
  await answering(server, port);
  return {
    port,
    pid: server.pid,
    url: (database) => `redis://127.0.0.1:${port}/${database}`,
    durability: durability === "none" ? 'none (save "", appendonly no)' : `append-only file, fsync ${durability}`,
    async stop() {
      await server.stop();
      removeFolders([folder]);
    },
  };
}

/** A port that nothing listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("the listener tells no port");
  return address.port;
}

async function answering(server: Running, port: number): Promise<void> {
  const redis = new Redis({ port, lazyConnect: true, retryStrategy: null, maxRetriesPerRequest: 0 });
  redis.on("error", () => {});
  const deadline = performance.now() + 10_000;
  while (performance.now() < deadline) {
    try {
      if (redis.status === "wait" || redis.status === "end") await redis.connect();
      await redis.ping();
      redis.disconnect();
      return;
    } catch {
      await runtime.sleep(10);
    }
  }
  const { stdout, stderr } = await server.stop();
  throw new Error(`redis-server did not answer on port ${port} in 10 s:\n${stdout}${stderr}`);
}
