/** Ours with a user's no-op handler, wherever its code runs. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RedisServer } from "../redis-server.ts";
import { script } from "../scripts.ts";
import type { WatchedSide } from "../sides.ts";
import { program } from "./program.ts";
import { ourRedisSide } from "./redis-side.ts";

const TYPE = "user-noop";
const PYTHON_FOLDER = fileURLToPath(new URL("../../../python", import.meta.url));
/** Enough for seconds, as fast as each is. */
const TASKS = { shared: 150_000, inline: 200_000, own: 30_000 };
const PYTHON_TASKS = 40_000;

/** A TypeScript file, run as `--isolation` says. */
export function isolationSide(server: RedisServer, isolation: keyof typeof TASKS): WatchedSide {
  const tasks = script("ours/user-noop.ts");
  return ourRedisSide(server, "removed", {
    name: `taskexe (${program().label}), ${isolation}`,
    type: TYPE,
    tasks: TASKS[isolation],
    settings: () => ({ tasks, flags: { "--isolation": isolation } }),
  });
}

/** A Python file, run by so many processes. */
export function pythonSide(server: RedisServer, processes: number): WatchedSide {
  return ourRedisSide(server, "removed", {
    name: `taskexe (${program().label}), Python, ${processes} process${processes === 1 ? "" : "es"}`,
    type: TYPE,
    tasks: PYTHON_TASKS,
    settings(home) {
      const config = join(home, "taskexe.toml");
      const command = JSON.stringify(["python3", script("ours/user_noop.py"), PYTHON_FOLDER]);
      writeFileSync(config, `[worker.bench]\ncommand = ${command}\nprocesses = ${processes}\n`);
      return { config };
    },
  });
}
