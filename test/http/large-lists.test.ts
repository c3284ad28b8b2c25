/**
 * Lists of large tasks over HTTP, on a real executor: four at once take little memory and hold up nobody. With
 * LARGE=250 in the environment there are so many tasks of 4 MB instead of 40.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { ExecutorProcess } from "../stage/executor.ts";
import { claimAll, done, task } from "../stage/outcomes.ts";
import { Stage } from "../stage/stage.ts";

const COUNT = Number(process.env.LARGE ?? 40);
const PAYLOAD = "x".repeat(4_000_000);
const LISTS = 4;
/** Where the lists take all of each task, 40 of them take 160 MB, and each is held more than once. */
const MOST_GROWTH = 150_000_000;
const MOST_HELD_UP_MS = 2_000;
const SLOW = { timeout: 300_000 };

/** The most it has had at once, in bytes. */
function peakOf({ pid }: ExecutorProcess): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1]) * 1_024;
}

async function fill(stage: Stage, url: string): Promise<void> {
  const broker = await stage.client(url, "filler");
  const retentionMs = 3_600_000;
  for (let at = 0; at < COUNT; at++) {
    const message = JSON.stringify({ id: `large${at}`, task_type: "noop", payload: PAYLOAD });
    await broker.enqueue([task(`large${at}`, { queue: "common", message, retentionMs })]);
    const [delivery] = await claimAll(broker, 1, AbortSignal.timeout(60_000));
    assert.ok(delivery);
    await broker.complete([done(delivery, { retentionMs, recorded: true })]);
  }
  await broker.leave("{}");
}

async function listAll({ url }: ExecutorProcess): Promise<number> {
  let [count, cursor] = [0, ""];
  do {
    const answer = await fetch(`${url}/api/v1/tasks?state=done&limit=250${cursor && `&cursor=${cursor}`}`);
    assert.equal(answer.status, 200);
    const page: { readonly tasks: readonly unknown[]; readonly cursor: string | null } = JSON.parse(
      await answer.text(),
    );
    count += page.tasks.length;
    cursor = page.cursor ?? "";
  } while (cursor !== "");
  return count;
}

for (const kind of ["redis", "sqlite"]) {
  test(`over ${kind} four lists of tasks of 4 MB at once take little memory and hold up nobody`, SLOW, async () => {
    await Stage.with(async (stage) => {
      const url = kind === "redis" ? (await stage.redis()).url : `sqlite:${stage.path("large.db")}`;
      await fill(stage, url);
      const executor = await stage.executor({ broker: url });
      const before = peakOf(executor);
      let isOver = false;
      let longest = 0;
      const health = (async () => {
        while (!isOver) longest = Math.max(longest, (await executor.get("/healthz")).ms);
      })();
      const begun = performance.now();
      const counts = await Promise.all(Array.from({ length: LISTS }, () => listAll(executor)));
      const ms = Math.round(performance.now() - begun);
      isOver = true;
      await health;
      const grown = peakOf(executor) - before;
      const told =
        `${kind}, ${COUNT} tasks: ${Math.round(grown / 1e6)} MB more, ` +
        `/healthz ${Math.round(longest)} ms at the most, all in ${ms} ms`;
      process.stdout.write(`${told}\n`);
      assert.deepEqual(counts, Array(LISTS).fill(COUNT));
      assert.ok(grown < MOST_GROWTH, told);
      assert.ok(longest < MOST_HELD_UP_MS, told);
    });
  });
}

test("more lists than may wait are told to ask again", SLOW, async () => {
  await Stage.with(async (stage) => {
    const { url } = await stage.redis();
    const broker = await stage.client(url, "filler");
    for (let from = 0; from < 5_000; from += 1_000) {
      const some = Array.from({ length: 1_000 }, (_, at) =>
        task(`t${from + at}`, { queue: "common", delayMs: 3_600_000 }),
      );
      await broker.enqueue(some);
    }
    const executor = await stage.executor({ broker: url });
    const answers = await Promise.all(
      Array.from({ length: 250 }, async () => {
        const answer = await fetch(`${executor.url}/api/v1/tasks?state=scheduled&limit=1000`);
        const text = await answer.text();
        return { status: answer.status, retryAfter: answer.headers.get("retry-after"), text };
      }),
    );
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length > 0, "none was refused");
    assert.ok(refused.every(({ retryAfter, text }) => Number(retryAfter) >= 1 && text.includes("too_many_lists")));
    assert.ok(answers.filter(({ status }) => status === 200).length >= 102, "fewer were answered than may wait");
    assert.equal((await fetch(`${executor.url}/api/v1/tasks?limit=1`)).status, 200, "it answers again");
  });
});
