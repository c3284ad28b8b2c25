/** Events over HTTP: all of a topic, then what changes, once for all who listen; bounded, and nothing is left. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { openRoot, withNursery } from "../../src/concurrency/index.ts";
import { EventHub, type Topics } from "../../src/http/api/events/event-hub.ts";
import type { TopicFields } from "../../src/http/api/events/topics.ts";
import { createApp } from "../../src/http/app.ts";
import { runtime } from "../../src/runtime/index.ts";
import { ApiStage } from "../stage/api.ts";
import { fakeSource } from "../stage/fake-source.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";

const PATIENCE_MS = 30_000;

interface Told {
  readonly event: string;
  readonly id: string;
  /** Looked into at will. */
  readonly data: ReturnType<typeof JSON.parse>;
}

/** Reads the events of a stream. */
class Reader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = "";

  constructor(stream: ReadableStream<Uint8Array> | null) {
    assert.ok(stream);
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** The next event; null at the end. */
  async next(): Promise<Told | null> {
    for (;;) {
      const end = this.#text.indexOf("\n\n");
      if (end < 0) {
        const chunk = await this.#chunks.next();
        if (chunk.done) return null;
        this.#text += this.#decoder.decode(chunk.value, { stream: true });
        continue;
      }
      const lines = this.#text.slice(0, end).split("\n");
      this.#text = this.#text.slice(end + 2);
      const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? "";
      if (field("event") !== "") return { event: field("event"), id: field("id"), data: JSON.parse(field("data")) };
    }
  }

  async find(what: (told: Told) => boolean): Promise<Told> {
    for (;;) {
      const told = await this.next();
      assert.ok(told, "the stream ended");
      if (what(told)) return told;
    }
  }
}

test("a stream tells all of each topic, then what changes of queues, counts and a task until it has ended", SLOW, () =>
  Stage.with(async (stage) => {
    const executor = await stage.executor();
    const stop = new AbortController();
    const url = `${executor.url}/api/v1/events?topics=overview,queues,types,executors,tasks,task:t`;
    const reader = new Reader((await fetch(url, { signal: stop.signal })).body);
    const first = new Map<string, Told>();
    while (first.size < 6) {
      const told = await reader.next();
      assert.ok(told?.data.all, "all of it comes first");
      first.set(told.event, told);
    }
    assert.equal(first.get("overview")?.data.all?.state, "running");
    assert.equal(first.get("tasks")?.data.all?.done, 0);
    assert.equal(first.get("task:t")?.data.all?.state, null, "nobody knows it yet");
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ type: "sleep", payload: { ms: 700 }, id: "t" });
    await fetch(`${executor.url}/api/v1/tasks`, { method: "POST", headers, body });
    const seen = new Set<string>();
    const wanted = ["task:t running", "task:t done", "tasks done", "queues", "types"];
    const ids = new Set<string>();
    while (!wanted.every((each) => seen.has(each))) {
      const told = await reader.next();
      assert.ok(told?.data.set, "then what has changed");
      assert.ok(!ids.has(told.id), "each has an id of its own");
      ids.add(told.id);
      const { event, data } = told;
      if (event === "task:t") seen.add(`task:t ${data.set?.state}`);
      if (event === "tasks" && data.set?.done === 1) seen.add("tasks done");
      if (event === "queues" && data.set?.common?.done === 1) seen.add("queues");
      if (event === "types" && data.set?.sleep?.done === 1) seen.add("types");
    }
    stop.abort();
  }),
);

test("whoever was cut off goes on behind the last event it has seen, and is told all where that is too old", SLOW, () =>
  Stage.with(async (stage) => {
    const executor = await stage.executor();
    const url = `${executor.url}/api/v1/events?topics=tasks`;
    const others = new AbortController();
    const other = new Reader((await fetch(url, { signal: others.signal })).body);
    const { id } = await other.find(({ data }) => data.all !== undefined);
    const headers = { "content-type": "application/json" };
    await fetch(`${executor.url}/api/v1/tasks`, { method: "POST", headers, body: JSON.stringify({ type: "noop" }) });
    await other.find(({ data }) => data.set?.done === 1);
    const stop = new AbortController();
    const again = await fetch(url, { headers: { "last-event-id": id }, signal: stop.signal });
    const missed = await new Reader(again.body).find(() => true);
    assert.equal(missed.data.all, undefined, "only what came since");
    assert.ok(missed.data.set);
    for (const unknown of ["0badcafe.1", "nonsense", `${id}99999999999999999999`]) {
      const anew = await fetch(`${url}&last_event_id=${unknown}`, { signal: stop.signal });
      assert.ok((await new Reader(anew.body).find(() => true)).data.all, unknown);
    }
    stop.abort();
    others.abort();
  }),
);

test("a topic that is none is refused with those that there are, and so are too many", async () => {
  const stage = await ApiStage.open();
  try {
    const events = new EventHub(topicsOf(() => ({})));
    const api = { broker: stage.broker, token: null, retentionMs: 1_000, signal: openRoot().signal, events };
    const app = createApp(fakeSource(), { api });
    const ask = (topics: string) =>
      app.request(`http://127.0.0.1:8080/api/v1/events?topics=${topics}`, {}, { peer: "127.0.0.1" });
    for (const [topics, said] of [
      ["nonsense", /expected overview, queues, types, executors, tasks or task:ID, got/],
      ["", /expected overview/],
      [`${"tasks,".repeat(16)}tasks`, /at most 16 topics/],
    ] as const) {
      const refused = await ask(topics);
      assert.equal(refused.status, 400);
      assert.match(await refused.text(), said);
    }
    const open: Response[] = [];
    for (let n = 0; n < 200; n++) open.push(await ask("tasks"));
    assert.ok(open.every(({ status }) => status === 200));
    assert.equal((await ask("tasks")).status, 429);
    for (const { body } of open) await body?.cancel();
    assert.equal(events.listeners, 0);
    assert.equal((await ask("tasks")).status, 200);
  } finally {
    await stage.end();
  }
});

test("one look serves all who listen, and none is made while nobody does", SLOW, async () => {
  let looks = 0;
  await hubOf(
    () => {
      looks++;
      return { looks };
    },
    async (hub) => {
      const listeners = Array.from({ length: 20 }, () => hub.listen(new Set(["tasks"]), null, () => {}));
      const readers = listeners.map(({ stream }) => new Reader(stream));
      for (const reader of readers) assert.ok((await reader.next())?.data.all);
      const told = await Promise.all(readers.map((reader) => reader.next()));
      assert.equal(new Set(told.map((each) => each?.id)).size, 1, "the same event for all");
      assert.ok(looks <= 4, `${looks} looks for twenty who listen`);
      for (const listener of listeners) listener.close("end", "enough");
      await until("nobody listens", PATIENCE_MS, () => hub.listeners === 0);
      const before = looks;
      let beside = 0;
      await hubOf(
        () => ({ beside: ++beside }),
        async (other) => {
          other.listen(new Set(["tasks"]), null, () => {});
          await until("another one has looked five times", PATIENCE_MS, () => beside >= 5);
        },
      );
      assert.ok(looks <= before + 1, `${looks - before} looks while nobody listens`);
    },
  );
});

test("one who reads too slowly is dropped, is told so, and costs the others nothing", SLOW, async () => {
  let number = 0;
  await hubOf(
    () => ({ number: ++number, text: `${number} ${"x".repeat(100_000)}` }),
    async (hub) => {
      let left = 0;
      const slow = hub.listen(new Set(["tasks"]), null, () => left++);
      const quick = new Reader(hub.listen(new Set(["tasks"]), null, () => {}).stream);
      while (left === 0) assert.ok(await quick.next());
      assert.equal(hub.listeners, 1);
      const reader = new Reader(slow.stream);
      const dropped = await reader.find(({ event }) => event === "dropped");
      assert.match(dropped.data.reason ?? "", /too slowly/);
      assert.equal(await reader.next(), null, "and its stream ends");
      assert.ok(await quick.next());
    },
  );
});

test("five hundred connections that break off, some of which never read, leave nothing", SLOW, async () => {
  let number = 0;
  const stage = await ApiStage.open();
  try {
    await hubOf(
      () => ({ number: ++number, text: `${number} ${"x".repeat(50_000)}` }),
      async (hub) => {
        const api = { broker: stage.broker, token: null, retentionMs: 1_000, signal: openRoot().signal, events: hub };
        const app = createApp(fakeSource(), { api });
        const fetch = (request: Request) => app.fetch(request, { peer: "127.0.0.1" });
        const server = await runtime.serve({
          hostname: "127.0.0.1",
          port: 0,
          fetch: async (request) => fetch(request),
        });
        try {
          for (let round = 0; round < 5; round++) {
            const sockets = Array.from({ length: 100 }, (_, index) => {
              const socket = connect(server.port, "127.0.0.1");
              socket.on("error", () => {});
              socket.write("GET /api/v1/events?topics=tasks HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
              if (index % 2 === 0) socket.pause();
              else socket.resume();
              return socket;
            });
            await until("all of them listen", PATIENCE_MS, () => hub.listeners >= 50);
            for (const socket of sockets) socket.destroy();
            await until("none of them listens any more", PATIENCE_MS, () => hub.listeners === 0);
          }
        } finally {
          await server.close();
        }
      },
    );
  } finally {
    await stage.end();
  }
});

function topicsOf(tasks: () => TopicFields): Topics {
  return { read: async () => new Map([["tasks", tasks()]]), forget: () => {} };
}

/** A hub that runs while the body does. */
async function hubOf(tasks: () => TopicFields, body: (hub: EventHub) => Promise<void>): Promise<void> {
  const hub = new EventHub(topicsOf(tasks));
  await withNursery(openRoot(), async (nursery) => {
    nursery.startSoon(({ signal }) => hub.run(signal), { name: "hub" });
    await body(hub);
    nursery.scope.cancel("the test is over");
  });
}
