/**
 * Workers that handlers start, by either name that there is: the provided modules are importable in them, too, and in
 * the Workers that those start. The constructors are replaced by subclasses that have thread.ts run first.
 */
import { runtime } from "../runtime/index.ts";

/** Where the build puts thread.ts inside the executable. */
const THREAD_IN_EXECUTABLE = "/$bunfs/root/provide/thread.js";

type Options = Readonly<Record<string, unknown>> | undefined;
type Constructor = new (...given: never[]) => object;

/** On Bun and Node.js. Call it once a thread, before anything of the handlers is imported. */
export function provideToWorkers(): void {
  const threads = process.getBuiltinModule("node:worker_threads");
  if (runtime.name === "bun") {
    const preload = runtime.compiled ? THREAD_IN_EXECUTABLE : import.meta.resolve("./thread.ts");
    const first = (options: Options) => ({ ...options, preload: [preload, ...listOf(options?.preload)] });
    Reflect.set(globalThis, "Worker", withOptions(globalThis.Worker, first));
    Reflect.set(threads, "Worker", withOptions(threads.Worker, first));
  } else {
    const flags = ["--import", import.meta.resolve("./thread.ts")];
    const first = (options: Options) => ({
      ...options,
      execArgv: [...listOf(options?.execArgv ?? process.execArgv), ...flags],
    });
    Reflect.set(threads, "Worker", withOptions(threads.Worker, first));
  }
  process.getBuiltinModule("node:module").syncBuiltinESMExports();
}

/** A class that is used as `Base`, and gives it the options that `change` makes of its own. */
function withOptions(Base: Constructor, change: (options: Options) => Options): Constructor {
  const { Worker } = {
    Worker: class extends (Base as new (url: unknown, options: Options) => object) {
      constructor(url: unknown, options?: Options) {
        super(url, change(options));
      }
    },
  };
  return Worker;
}

function listOf(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}
