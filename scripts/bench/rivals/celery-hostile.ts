/** Celery's prefork pool as a side of the hostile benchmark, where python3 can install Celery. */
import { existsSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { CONCURRENCY, GOOD, type HostileSide } from "../hostile-sides.ts";
import { run, start } from "../processes.ts";
import type { RedisServer } from "../redis-server.ts";
import { script } from "../scripts.ts";

const ENVIRONMENT = fileURLToPath(new URL("../../../node_modules/.cache/bench-celery", import.meta.url));
const RESULTS = { database: 4, prefix: "celery-task-meta-" };
/** Address space of each process, in KiB: Celery's own limit looks only between tasks. */
const MEMORY_KIB = 1_048_576;

/** Null where Celery cannot be installed; why goes to `progress`. */
export async function celeryHostileSide(
  server: RedisServer,
  progress: (line: string) => void,
): Promise<HostileSide | null> {
  const python = join(ENVIRONMENT, "bin/python");
  try {
    if (!existsSync(join(ENVIRONMENT, "bin/celery"))) {
      progress("hostile: installing Celery ...");
      await run("python3", ["-m", "venv", ENVIRONMENT]);
      await run(python, ["-m", "pip", "install", "--quiet", "celery[redis]>=5.5,<6", "packaging"]);
    }
  } catch (error) {
    progress(`hostile: no Celery: ${error instanceof Error ? error.message : String(error)}`);
    rmSync(ENVIRONMENT, { recursive: true, force: true });
    return null;
  }
  return {
    name: "Celery, prefork",
    async begin(deed, environment) {
      const app = script("rivals/celery_hostile.py");
      const address = `redis://127.0.0.1:${server.port}`;
      const env = {
        PATH: process.env.PATH ?? "",
        CELERY_HOSTILE: address,
        PYTHONDONTWRITEBYTECODE: "1",
        ...environment,
      };
      await forgetResults(server.port);
      await run(python, [app, deed, String(GOOD.all), String(GOOD.before)], { env });
      const command = `exec "$0" -m celery -A celery_hostile worker --pool prefork -c ${CONCURRENCY} -l warning`;
      const worker = await start("sh", ["-c", `ulimit -v ${MEMORY_KIB}; ${command}`, python], {
        cwd: dirname(app),
        env,
      });
      const redis = new Redis({ port: server.port, db: RESULTS.database });
      return {
        process: worker,
        async look() {
          const keys = await redis.keys(`${RESULTS.prefix}*`);
          const texts = keys.length === 0 ? [] : await redis.mget(keys);
          const results = texts.map((text) => JSON.parse(text ?? "{}"));
          const bad = results.find(({ task_id }) => task_id === "bad");
          const goodDone = results.filter(({ task_id, status }) => task_id !== "bad" && status === "SUCCESS").length;
          return {
            goodDone,
            bad: { ended: bad !== undefined, state: bad?.status ?? "PENDING", reason: reasonOf(bad?.result) },
          };
        },
        async close() {
          await redis.quit();
        },
      };
    },
  };
}

async function forgetResults(port: number): Promise<void> {
  const redis = new Redis({ port, db: RESULTS.database });
  await redis.flushdb();
  await redis.quit();
}

/** Celery stores an exception as its type and its message, in a list of arguments. */
function reasonOf(result: unknown): string {
  if (typeof result !== "object" || result === null || !("exc_type" in result)) return "";
  const message = "exc_message" in result ? JSON.stringify(result.exc_message) : "";
  return `${String(result.exc_type)} ${message.replaceAll(/[[\]"]/g, "")}`;
}
