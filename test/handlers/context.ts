/** What tests of handlers run them in: a context over a real scope and nursery that records what it is told. */

import { type CancelScope, openRoot, withNursery } from "../../src/concurrency/index.ts";
import type { PayloadSchema, TaskContext, TaskDefinition } from "../../src/handlers/define-task.ts";
import { readPayload } from "../../src/handlers/read-payload.ts";

export interface RunOptions {
  /** Cancel this to cancel the task; default: a root of its own. */
  readonly scope?: CancelScope;
  readonly id?: string;
  /** Called at each progress write, before it resolves. */
  readonly onProgress?: (value: number, message: string | undefined) => void | Promise<void>;
}

async function accepted(type: string, schema: PayloadSchema, payload: unknown): Promise<unknown> {
  const read = await readPayload(schema, { type, payload });
  if (!read.ok) throw read.error;
  return read.value;
}

/** Checks the payload as the executor does, runs the handler in a nursery, gives its result; throws what it throws. */
export async function runTask<Schema extends PayloadSchema | undefined>(
  definition: TaskDefinition<Schema>,
  payload: unknown,
  options: RunOptions = {},
): Promise<unknown> {
  const checked =
    definition.payload === undefined ? payload : await accepted(definition.type, definition.payload, payload);
  const { scope = openRoot(), id = "t1", onProgress } = options;
  const ignore = () => {};
  let result: unknown;
  await withNursery(scope, async (nursery) => {
    const context: TaskContext<never> = {
      payload: checked as never,
      task: { id, type: definition.type, queue: "test", priority: 0, queuedAt: null, message: {} },
      attempt: 1,
      traceparent: null,
      tracestate: null,
      signal: nursery.scope.signal,
      scope: nursery.scope,
      nursery,
      async progress(value, message) {
        nursery.scope.signal.throwIfAborted();
        await onProgress?.(value, message);
        nursery.scope.signal.throwIfAborted();
      },
      enqueue: () => Promise.reject(new Error("nothing is enqueued here")),
      lock: () => Promise.reject(new Error("nothing is locked here")),
      log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    };
    result = await definition.run(context);
  });
  return result;
}
