/** Pools over runners that do what a payload tells them, and attempts that tell what became of them. */
import { fileURLToPath } from "node:url";
import { type CancelScope, openRoot, withScope } from "../../src/concurrency/index.ts";
import type { CancelReason, Handler, HandlerAttempt, HandlerEnding } from "../../src/handlers/handler.ts";
import type { AddHandlers, GenerationsView } from "../../src/runners/generations/generation.ts";
import { withRunners } from "../../src/runners/generations/with-runners.ts";
import type { RunnerKind, StartedRunner } from "../../src/runners/runner-kind.ts";
import { runtime } from "../../src/runtime/index.ts";
import type { EndedBy } from "../../src/task/record/ended-by.ts";

const FAKE = fileURLToPath(new URL("fixtures/fake-runner.js", import.meta.url));

/** @param args - types and options of the fake runner, as JSON. */
export async function startFake(...args: string[]): Promise<StartedRunner> {
  const own = runtime.name === "deno" ? ["run", "-A", "--no-check"] : [];
  const child = await runtime.spawn(process.execPath, [...own, FAKE, ...args], { pipes: true });
  const ended = child.exited.then(({ code, signal }) => ({
    reason: signal === null ? `exit code ${code}` : `killed by ${signal}`,
  }));
  return { ...child, ended, kill: (signal) => child.killGroup(signal) };
}

export interface Given {
  readonly kind?: Partial<RunnerKind>;
  readonly ownRunners?: number;
  readonly helloMs?: number;
  readonly types?: string;
  readonly hello?: string;
}

export interface Stand {
  /** Starts an attempt of the type `x`. */
  run(
    deed: Record<string, unknown>,
    about?: Partial<HandlerAttempt> & { readonly reason?: CancelReason },
    handler?: Handler,
  ): Running;
  /** Those in charge. */
  readonly handlers: Parameters<AddHandlers>[0];
  view(): GenerationsView;
  /** Puts another generation in charge. */
  reload(given?: Given): Promise<void>;
}

export interface Running {
  readonly ending: Promise<HandlerEnding | "stopped">;
  readonly told: { begun: boolean; progress: unknown[]; lines: string[]; endedBy: EndedBy | null };
  /** Resolves once its code was called. */
  readonly begun: Promise<void>;
  cancel(): void;
}

/** Opens a pool for the time of a block. */
export function withPool(given: Given, body: (stand: Stand) => Promise<void>): Promise<void> {
  return withRunners(openRoot(), async (runners, scope) => {
    let [handlers, number]: [Stand["handlers"], number] = [[], 0];
    const load = (how: Given): Promise<void> => {
      const { ownRunners = 4, helloMs = 20_000 } = how;
      const accept: AddHandlers = (loaded) => {
        handlers = loaded;
      };
      const options = { ownRunners, helloMs };
      return runners.load({ number: ++number, kinds: [kindOf(how)], options, accept }, scope);
    };
    await load(given);
    await body({
      get handlers() {
        return handlers;
      },
      run: (deed, about = {}, handler = handlers.find(({ handler: { type } }) => type === "x")?.handler) =>
        start(handler, scope, deed, about),
      view: () => runners.view(),
      reload: (how = given) => load(how),
    });
  });
}

function kindOf({ types = '[{"type":"x"}]', hello = "{}", kind }: Given): RunnerKind {
  return {
    name: "fakes",
    start: () => startFake(types, hello),
    ...{ concurrency: 100, ahead: 0, processes: 2, isolation: "shared", types: null },
    ...kind,
  };
}

let count = 0;

function start(
  handler: Handler | undefined,
  scope: CancelScope,
  deed: Record<string, unknown>,
  { reason = "cancelled", ...about }: Partial<HandlerAttempt> & { readonly reason?: CancelReason },
): Running {
  if (handler === undefined) throw new Error("no such type");
  const begun = Promise.withResolvers<void>();
  const told: Running["told"] = { begun: false, progress: [], lines: [], endedBy: null };
  const id = `task-${++count}`;
  const attempt: HandlerAttempt = {
    ...{ id, type: handler.type, attempt: 1, crashes: 0, suspect: null, graceMs: 100, asksForDelay: false },
    ...{ payload: deed, payloadText: JSON.stringify(deed), isForeign: false, deadlineInMs: null, cancelReason: reason },
    task: { id, type: handler.type, queue: "common", priority: 0, queuedAt: null, message: {} },
    waits: () => {},
    begun: () => {
      told.begun = true;
      begun.resolve();
    },
    tellProgress: (value, message) => told.progress.push([value, message]),
    writeLog: ({ level, plain }) => told.lines.push(`${level} ${plain}`),
    enqueue: () => Promise.reject(new Error("nothing is enqueued here")),
    takeLock: () => Promise.reject(new Error("nothing is locked here")),
    freeLock: () => Promise.resolve(),
    leaveBehind: () => {},
    tellDelay: () => {},
    tellEndedBy: (endedBy) => {
      told.endedBy = endedBy;
    },
    ...about,
  };
  let cancel = (): void => {};
  const ending = withScope(scope, {}, (inner) => {
    cancel = () => inner.cancel("told to");
    return handler.start(attempt, inner);
  }).then((outcome) => (outcome.cancelled ? ("stopped" as const) : outcome.value));
  return { ending, told, begun: begun.promise, cancel: () => cancel() };
}
