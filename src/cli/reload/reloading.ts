/** Reloads beside something else: those that are asked for, and with `--watch` those of files that were saved. */
import { resolve } from "node:path";
import { type CancelScope, withNursery } from "../../concurrency/index.ts";
import { machinePath } from "../../config/embedded-queue.ts";
import type { Settings } from "../../config/settings.ts";
import type { Options } from "../arguments/flags.ts";
import { FileWatch, type WatchedFiles } from "./file-watch.ts";
import type { LoadedHandlers } from "./loaded-handlers.ts";
import type { Reloads } from "./reloads.ts";

export type Watched = (settings: () => Settings, handlers: LoadedHandlers) => () => WatchedFiles;

/** What `--watch` looks at; null: it was not given. */
export function watchedBy({ watch, config }: Options): Watched | null {
  if (watch !== true) return null;
  const named = typeof config === "string" ? config : process.env.TASKEXE_CONFIG;
  const file = named || machinePath(process.env, "etc/taskexe/taskexe.toml");
  return (settings, handlers) => () => ({
    files: [...handlers.files, ...(file === "off" ? [] : [file]), ...programsOf(settings())],
    places: settings().tasks,
    loadedAt: handlers.beganAt,
  });
}

/** Reloads as long as `body` goes on. */
export function reloading(
  scope: CancelScope,
  reloads: Reloads,
  watched: (() => WatchedFiles) | undefined,
  body: (scope: CancelScope) => Promise<void>,
): Promise<void> {
  return withNursery(
    scope,
    async (nursery) => {
      nursery.startSoon(({ scope: inner }) => reloads.run(inner), { name: "reloads" });
      if (watched !== undefined) {
        const watch = new FileWatch(watched, (path) => reloads.request(`${path} has changed`));
        nursery.startSoon(({ signal }) => watch.run(signal), { name: "file watch" });
      }
      await body(nursery.scope);
      nursery.scope.cancel("nothing is to be reloaded any more");
    },
    { name: "run" },
  );
}

/** What the commands of workers may name as their files: those that cannot be started tell of none. */
function programsOf({ tables }: Settings): string[] {
  return tables.workers.flatMap(({ command, cwd }) => command.map((word) => resolve(cwd, word)));
}
