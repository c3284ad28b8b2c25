/**
 * How soon 10 000 schedules that are due in one minute are enqueued beside 90 000 others, by hand: `bun
 * scripts/soak/schedules.ts [redis|sqlite]` over dist/taskexe. Two executors of one fleet fire and run them. Fails
 * where the last is enqueued more than 2 s after they were due, where one is enqueued twice or not at all, or where
 * anything of the others is.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Broker } from "../../src/broker/broker.ts";
import { createBroker } from "../../src/broker/drivers.ts";
import { NEW_STATE } from "../../src/broker/schedule-text.ts";
import { openRoot, sleep } from "../../src/concurrency/index.ts";
import { startRedis } from "../../test/stage/redis/server.ts";

const [DUE, OTHERS] = [10_000, 90_000];
const WITHIN_MS = 2_000;
/** From the start of the executors to when they are due: by then they have looked at all. */
const WARM_UP_MS = Number(process.env.WARM_UP_MS ?? 30_000);
const RETENTION_MS = 3_600_000;
const AT_ONCE = 500;
const kind = process.argv[2] === "sqlite" ? "sqlite" : "redis";
const executors = Number(process.argv[3] ?? 2);
const { signal } = openRoot();
const folder = await mkdtemp(join(tmpdir(), "taskexe-schedules-"));
const server = kind === "redis" ? await startRedis() : null;
const url = server?.url ?? `sqlite:${join(folder, "tasks.db")}`;
const broker = await createBroker(url, { executor: null, queues: ["common"], leaseMs: 60_000, doneLimit: 0 });
await broker.open(signal);
await writeFile(
  join(folder, "report.ts"),
  'import { defineTask } from "taskexe";\nexport default defineTask({ type: "report", async run() {} });\n',
);

async function put(from: number, count: number, nextAt: number): Promise<void> {
  for (let at = from; at < from + count; at += AT_ONCE) {
    const numbers = Array.from({ length: Math.min(AT_ONCE, from + count - at) }, (_, index) => at + index);
    await Promise.all(numbers.map((number) => broker.changeSchedule(schedule(number, nextAt))));
  }
}

function schedule(number: number, nextAt: number): Parameters<Broker["changeSchedule"]>[0] {
  const name = `s${number}`;
  const cron = `${number % 60} ${Math.floor(number / 60) % 24} * * *`;
  const definition = {
    ...{ name, cron, timezone: null, type: "report", payload: JSON.stringify({ number }), options: {}, defaults: {} },
    ...{ overlap: null, retentionMs: RETENTION_MS },
  };
  return { name, revision: null, definition, state: { ...NEW_STATE, nextAt } };
}

const soon = broker.now() + 24 * 3_600_000;
const putAt = performance.now();
await put(DUE, OTHERS, Math.round(soon));
// Those that are due stand among the others, with the time known only once the rest is put.
const from = Math.ceil(broker.now() + WARM_UP_MS + 5_000);
// Some are due again at a full minute, by their cron: none comes until all have been looked for.
const dueAt = from % 60_000 < 40_000 ? from : Math.ceil(from / 60_000) * 60_000 + 1_000;
await put(0, DUE, dueAt);
process.stdout.write(
  `${kind}: ${DUE + OTHERS} schedules put in ${((performance.now() - putAt) / 1000).toFixed(1)} s\n`,
);
const command = resolve(import.meta.dirname, "../../dist/taskexe");
const fleet = Array.from({ length: executors }, (_, index) =>
  spawn(
    command,
    ["run", "--tasks", join(folder, "report.ts"), "--broker", url, "--listen", "off", "--concurrency", "100"],
    {
      cwd: folder,
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, STATE_DIRECTORY: folder, TASKEXE_NAME: `e${index}`, TASKEXE_DONE_LIMIT: "0" },
    },
  ),
);
await sleep(Math.max(0, dueAt - broker.now()), signal);

async function there(): Promise<number> {
  const counts = (await broker.counts()).find(({ name }) => name === "common");
  return counts === undefined ? 0 : counts.queued + counts.running + counts.done + counts.dead;
}

const until = performance.now() + 60_000;
while ((await there()) < DUE && performance.now() < until) await sleep(100, signal);
// Whatever comes twice comes soon after.
await sleep(5_000, signal);
let [last, missing, others] = [0, 0, 0];
const lates: number[] = [];
for (let number = 0; number < DUE; number += 1) {
  const record = await broker.record(`cron-s${number}-${dueAt}`);
  if (record === null) missing += 1;
  else lates.push((record.enqueued_at ?? 0) - dueAt);
}
lates.sort((a, b) => a - b);
last = lates.at(-1) ?? 0;
others = (await there()) - (DUE - missing);
process.stdout.write(
  `${kind}: ${DUE} due at once beside ${OTHERS}, ${executors} executor(s): the last was enqueued after ${last} ms, ` +
    "half after " +
    `${lates[lates.length >> 1]} ms; ${missing} missing, ${others} too many\n`,
);
for (const executor of fleet) {
  if (executor.exitCode !== null) throw new Error(`an executor ended by itself, with ${executor.exitCode}`);
  const exited = once(executor, "exit");
  executor.kill("SIGTERM");
  await exited;
}
await broker.close();
await server?.stop();
await rm(folder, { recursive: true, force: true });
process.exit(last > WITHIN_MS || missing > 0 || others !== 0 ? 1 : 0);
