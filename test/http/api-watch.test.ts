/** Watches over a real server and real connections: what comes, when it ends, and that nothing stays behind. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Hono } from "hono";
import { openRoot, withNursery } from "../../src/concurrency/index.ts";
import { answerError } from "../../src/http/api/api-error.ts";
import type { PeerBindings } from "../../src/http/api/guard/access.ts";
import { TaskWatches } from "../../src/http/api/watch/task-watches.ts";
import { type HttpAddress, serveHttp } from "../../src/http/serve-http.ts";
import { runtime } from "../../src/runtime/index.ts";
import { ApiStage } from "../stage/api.ts";
import { fakeSource } from "../stage/fake-source.ts";
import { claimAll, done } from "../stage/outcomes.ts";
import { until } from "../stage/until.ts";

let stage: ApiStage;
before(async () => {
  stage = await ApiStage.open();
});
after(() => stage.end());

const task = (id: string, queue = "common") => {
  const message = JSON.stringify({ id, task_type: "work", payload: 1 });
  return { id, type: "work", queue, priority: 0, message, retentionMs: 60_000 };
};

/** Runs the body against a server over the stage; afterwards the server must end. */
async function served(body: (url: string, stop: () => void) => Promise<void>): Promise<void> {
  const root = openRoot();
  root.deadline = performance.now() + 60_000;
  await withNursery(root, async (nursery) => {
    const { port } = await nursery.start<HttpAddress>(nursery.scope, (task, started) => {
      const api = { broker: stage.broker, token: null, retentionMs: 0 };
      return serveHttp(task, started, { hostname: "127.0.0.1", port: 0, source: fakeSource(), api });
    });
    await body(`http://127.0.0.1:${port}/api/v1`, () => nursery.scope.cancel("stop"));
    nursery.scope.cancel("the test is over");
  }).catch((error: unknown) => {
    if (root.signal.aborted) throw new Error("the server did not end in time", { cause: error });
    throw error;
  });
}

/** Only the watches, with other limits, on a server of its own. */
async function watchesServed(
  limits: { most?: number; heartbeatMs?: number },
  body: (url: string) => Promise<void>,
): Promise<void> {
  const root = openRoot();
  const watches = new TaskWatches(root.signal, limits);
  const app = new Hono<{ Bindings: PeerBindings }>();
  app.onError(answerError);
  app.get("/:id", (context) => watches.answer(context, stage.broker, context.req.param("id")));
  const server = await runtime.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => app.fetch(request) });
  try {
    await body(`http://127.0.0.1:${server.port}`);
  } finally {
    root.cancel("the test is over");
    await server.close();
  }
}

interface Sent {
  readonly event: string;
  /** Looked into at will. */
  readonly data: ReturnType<typeof JSON.parse>;
}

function eventsIn(text: string): Sent[] {
  return text
    .split("\n\n")
    .map((block) => /^event: ([^\n]*)\ndata: ([^\n]*)$/.exec(block))
    .filter((match) => match !== null)
    .map(([, event = "", data = ""]) => ({ event, data: JSON.parse(data) }));
}

test("a watch sends states, logs and progress as they come, and ends with the task", async () => {
  await served(async (url) => {
    await stage.broker.enqueue([task("seen")]);
    const response = await fetch(`${url}/tasks/seen/watch`);
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
    assert.equal(response.headers.get("cache-control"), "no-store");
    let text = "";
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true });
    })();
    await until("the first state comes", 20_000, () => text.includes("queued"));
    const [delivery] = await claimAll(stage.broker, 1);
    assert.ok(delivery);
    const write = { delivery, id: "seen", type: "work", attempt: 1, startedAt: Date.now() };
    await stage.broker.writeProgress([{ ...write, progress: 0.5, progressMsg: "10:00:00 half\u2028way" }]);
    await stage.broker.appendLogs([{ id: "seen", queue: "te", lines: [{ at: 1, level: "info", text: "a\nb" }] }]);
    await until("the progress comes", 20_000, () => text.includes("half"));
    await stage.broker.complete([done(delivery, { result: "42" })]);
    await reading;
    const events = eventsIn(text);
    assert.deepEqual(
      events.filter(({ event }) => event === "state").map(({ data }) => data.state),
      ["queued", "running", "done"],
    );
    assert.deepEqual(events.find(({ event }) => event === "log")?.data, { at: 1, level: "info", text: "a\nb" });
    assert.equal(events.find(({ event }) => event === "progress")?.data.message, "10:00:00 half\u2028way");
    assert.equal(events.at(-1)?.event, "end");
    assert.equal(events.at(-1)?.data.task.result, 42);
  });
});

test("a watch of a task that has ended tells all of it and ends at once", async () => {
  await served(async (url) => {
    await stage.broker.enqueue([task("over")]);
    await stage.broker.cancel(["over"]);
    const events = eventsIn(await (await fetch(`${url}/tasks/over/watch`)).text());
    assert.deepEqual(
      events.map(({ event }) => event),
      ["state", "end"],
    );
    assert.equal((await fetch(`${url}/tasks/nobody/watch`)).status, 404);
  });
});

test("a server that stops ends its watches", async () => {
  await stage.broker.enqueue([task("forever", "elsewhere")]);
  await served(async (url, stop) => {
    const response = await fetch(`${url}/tasks/forever/watch`);
    const reader = response.body?.getReader();
    await reader?.read();
    stop();
    // Cut off or closed: either way it ends.
    await until("the stream ends", 20_000, async () => (await reader?.read().catch(() => ({ done: true })))?.done);
  });
});

test("a comment keeps the connection while nothing happens", async () => {
  await stage.broker.enqueue([task("quiet", "elsewhere")]);
  await watchesServed({ heartbeatMs: 30 }, async (url) => {
    const response = await fetch(`${url}/quiet`);
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      if (text.split(": still there\n\n").length > 3) break;
    }
    assert.equal(eventsIn(text).length, 1);
  });
});

test("there is a bound on watches, and one whose client is gone makes room", async () => {
  await stage.broker.enqueue([task("crowded", "elsewhere")]);
  await watchesServed({ most: 2, heartbeatMs: 50 }, async (url) => {
    const leave = new AbortController();
    const first = await fetch(`${url}/crowded`, { signal: leave.signal });
    const second = await fetch(`${url}/crowded`);
    const third = await fetch(`${url}/crowded`);
    assert.equal(third.status, 429);
    assert.equal(((await third.json()) as { error: { code: string } }).error.code, "too_many_watches");
    assert.ok(third.headers.get("retry-after"));
    await first.body?.getReader().read();
    leave.abort();
    const fourth = await until("a place is free", 10_000, async () => {
      const response = await fetch(`${url}/crowded`);
      if (response.status === 200) return response;
      await response.body?.cancel();
      return null;
    });
    await fourth.body?.cancel();
    await second.body?.cancel();
  });
});

test("HEAD, unknown tasks and watches that were read to the end take no place", async () => {
  await stage.broker.enqueue([task("brief", "elsewhere")]);
  await stage.broker.cancel(["brief"]);
  await watchesServed({ most: 1 }, async (url) => {
    for (let round = 0; round < 3; round++) {
      assert.equal((await fetch(`${url}/brief`, { method: "HEAD" })).status, 200);
      assert.equal((await fetch(`${url}/nobody`)).status, 404);
      assert.match(await (await fetch(`${url}/brief`)).text(), /event: end/);
    }
  });
});
