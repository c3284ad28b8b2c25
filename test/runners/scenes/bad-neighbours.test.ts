/**
 * All kinds of bad tasks in one queue with good ones, in runners that they share: every good one is done, charged
 * nothing and not convicted, with a crash budget of 0, too; every bad one ends with the true reason; /status answers
 * all the while; no process is left; and the executor is as small afterwards as it was before. SCENE_GOOD says how many
 * good ones there are; with 1 000 it is the whole scene: a gigabyte is printed, and memory is read after 100 000
 * no-ops.
 * @long about three minutes
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Broker, EnqueueRequest } from "../../../src/broker/broker.ts";
import type { TaskOptions } from "../../../src/task/message/message-schema.ts";
import { QUEUES } from "../../stage/broker.ts";
import { ROOT } from "../../stage/command.ts";
import { drained, type ExecutorProcess } from "../../stage/executor.ts";
import { requestOf } from "../../stage/outcomes.ts";
import { processesWith } from "../../stage/processes-with.ts";
import { builtOnce } from "../../stage/programs.ts";
import { Stage } from "../../stage/stage.ts";
import { until } from "../../stage/until.ts";

const GOOD = Number(process.env.SCENE_GOOD ?? 150);
const IS_WHOLE = GOOD >= 1_000;
const NOOPS = IS_WHOLE ? 100_000 : 10_000;
const FLOOD_BYTES = IS_WHOLE ? 1e9 : 5e7;
const REST_MS = IS_WHOLE ? 15_000 : 3_000;
const ENDS_WITHIN_MS = IS_WHOLE ? 900_000 : 400_000;
const MB = 1024 * 1024;
/** How much more the executor may have at the end. After few no-ops it is not warm yet, and grows until it is. */
const MOST_MORE_MB = IS_WHOLE ? 30 : 80;

/** Of whom a process died, however often. */
const died = (how: string): RegExp =>
  new RegExp(`^quarantined: its process died (once|\\d+ times) while it ran alone .*: ${how}(, ${how})?$`, "s");

/** How each bad task ends; a text is a state, and it is not dead. */
const BAD: Readonly<Record<string, RegExp | "done" | "cancelled">> = {
  "endless loop": /^TimeoutError: the attempt took longer than its 4000 ms/,
  "loops until cancelled": "cancelled",
  "allocates 4 GB": /out of memory|Out of memory|quarantined: its process died .*(memory|SIGKILL|SIGTRAP|SIGABRT)/i,
  "process.exit(0)": died("exit code 0"),
  "reallyExit(7)": died("exit code 7"),
  // Bun tells of it, and ends itself by another signal.
  "kill -SEGV": died("killed by SIG(SEGV|ILL|TRAP|ABRT)"),
  abort: died("(killed by SIG(ABRT|ILL|TRAP)|exit code 134)"),
  "stack overflow": /^RangeError: Maximum call stack size exceeded/,
  "stray rejection": died("exit code 1: an error outside of every task: Error: let go of.*"),
  "stray error later": "done",
  "double fork": "done",
  "floods standard output": "done",
  // Bun speaks through others of its own: it goes on.
  "closes descriptor 3": /^TimeoutError|EBADF|: it has (closed its descriptor 3|stopped what it was not told to stop)$/,
  "closes descriptor 4": /^TimeoutError|EBADF|: it has closed its descriptor 4$/,
  "closes all descriptors": died(
    "(it has (closed its descriptor [34]|stopped what it was not told to stop)|killed by SIG[A-Z]+)",
  ),
  "patches setTimeout": died("exit code 1: globalThis.setTimeout was replaced by a task.*"),
  "patches Promise": died("exit code 1: Promise.prototype.then was replaced by a task.*"),
  "patches Array": died("exit code 1: Array.prototype.* was replaced by a task.*"),
  "removes all listeners": /^TimeoutError/,
  "python killed": died("killed by SIGKILL"),
  "python loops": /^TimeoutError/,
  "command that never ends": /^TimeoutError/,
  "endpoint that never answers": /^TimeoutError/,
  "endpoint that resets": /reset|closed|hang up|socket/i,
  "endpoint that redirects inside": /169\.254\.169\.254/,
};

/** Of so many types both may have been held up by an endless loop. */
const MOST_HELD_UP = 2;
const HELD_UP = /^TimeoutError: the attempt took longer than its 4000 ms/;
const GOOD_TYPES = ["good", "good", "good", "good", "good alone", "good python", "good command", "good endpoint"];

const home = Stage.make();
const theExecutable = builtOnce(() => join(home.folder, "bin/taskexe"));
let server: Server;
before(() => {
  server = createServer((request, response) => {
    if (request.url === "/good") request.resume().on("end", () => response.end("1"));
    else if (request.url === "/reset") request.socket.resetAndDestroy();
    else if (request.url === "/inside") {
      response.writeHead(307, { location: "http://169.254.169.254/latest/meta-data/" }).end();
    }
  });
  return new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await home.end();
});

const settings = (port: number): string => `
[worker.python]
command = ["python3", "worker.py"]
[exec."good command"]
command = ["true"]
[exec."command that never ends"]
command = ["sh", "-c", "trap '' TERM; sleep 986 & wait"]
timeout = "2s"
attempts = 1
${Object.entries({
  "good endpoint": "good",
  "endpoint that never answers": "never",
  "endpoint that resets": "reset",
  "endpoint that redirects inside": "inside",
})
  .map(
    ([type, path]) =>
      `[http."${type}"]\nurl = "http://127.0.0.1:${port}/${path}"\n` +
      `attempts = 1\ntimeout = "${path === "good" ? "60s" : "2s"}"\n`,
  )
  .join("")}`;

for (const { kind, open } of QUEUES) {
  test(`over ${kind} good tasks are done and charged nothing, whatever bad ones do`, {
    timeout: ENDS_WITHIN_MS + 120_000,
  }, async () => {
    await Stage.with(async (stage) => {
      const broker = await open(stage);
      const client = await stage.client(broker);
      const mark = `MARK-${process.pid}-${kind}`;
      const fixtures = join(import.meta.dirname, "fixtures");
      await stage.write({
        "tasks/bad.ts": readFileSync(join(fixtures, "bad.ts"), "utf8"),
        "worker.py": readFileSync(join(fixtures, "worker.py"), "utf8"),
        "taskexe.toml": settings((server.address() as AddressInfo).port),
      });
      const executor = await stage.executor({
        ...{ broker, program: await theExecutable(), tasks: stage.path("tasks"), concurrency: 24, grace: "500ms" },
        args: ["--config", stage.path("taskexe.toml"), "--runner-max-rss", "512MB", "--lease", "3s"],
        env: { MARK: mark, PYTHON_FOLDER: join(ROOT, "python"), FLOOD_BYTES: String(FLOOD_BYTES) },
      });
      const before = await sizeAfterNoops(client, executor, "before");

      const { good, all } = planned();
      const looks = new StatusLooks(executor);
      for (let at = 0; at < all.length; at += 500) await client.enqueue(all.slice(at, at + 500));
      const ids = all.map(({ id }) => id);
      await until("all have ended", ENDS_WITHIN_MS, async () => {
        await looks.take();
        const record = await client.record("loops until cancelled 0");
        if (record?.state === "running") await client.cancel(["loops until cancelled 0", "loops until cancelled 1"]);
        const states = await client.states(ids);
        return states.every((state) => state === "done" || state === "dead" || state === "cancelled");
      });
      const problems: string[] = [];
      const heldUp: string[] = [];
      for (const { id } of good) {
        const record = await client.record(id);
        const { state, attempt, crashes, reason } = record ?? {};
        if (state !== "done" || attempt !== 1 || crashes !== 0)
          problems.push(`${id}: ${state}, attempt ${attempt}, ${crashes} crashes: ${reason}`);
      }
      for (const [type, wanted] of Object.entries(BAD)) {
        let isTrue = false;
        for (const budget of [0, 1]) {
          const record = await client.record(`${type} ${budget}`);
          const told = `${type}: ${record?.state}: ${record?.reason}`;
          isTrue ||= typeof wanted === "string" || wanted.test(record?.reason ?? "");
          // Another bad one beside it may have held it up until its time was over.
          const isFine =
            typeof wanted === "string"
              ? record?.state === wanted
              : record?.state === "dead" && (wanted.test(record.reason ?? "") || HELD_UP.test(record.reason ?? ""));
          if (!isFine) problems.push(told);
          if (budget === 0) process.stderr.write(`      ${told.split("\n", 1)[0]}\n`);
        }
        if (!isTrue) heldUp.push(type);
      }
      if (heldUp.length > MOST_HELD_UP) problems.push(`nobody says why: ${heldUp.join(", ")}`);
      assert.deepEqual(problems, []);
      assert.equal(executor.hasEnded, false, "the executor has outlived them all");
      looks.judge();
      await pause(REST_MS);
      const grown = rssOf(executor.pid) - before;
      assert.ok(grown < MOST_MORE_MB * MB, `the executor has ${Math.round(grown / MB)} MB more than before`);
      process.stderr.write(`      ${kind}: ${looks.told()}; ${Math.round(grown / MB)} MB more than before\n`);

      assert.equal(await drained(executor), 0);
      await until("no process is left", 5_000, () => processesWith(mark).length === 0);
      // What those left that begin others: an argument of its own, so that no number in a path is taken for it.
      assert.deepEqual(processesWith("sleep\u0000987").concat(processesWith("sleep\u0000986")), []);
    });
  });
}

/** The good ones, and all of them with a bad one behind some good ones each. */
function planned(): { readonly good: readonly EnqueueRequest[]; readonly all: readonly EnqueueRequest[] } {
  const good = Array.from({ length: GOOD }, (_, index) => {
    const type = GOOD_TYPES[index % GOOD_TYPES.length] ?? "good";
    return request(`${type} ${index}`, type, 20 + (index % 9) * 40, {
      crash_budget: index % 2 === 0 ? 0 : 3,
      attempts: 1,
    });
  });
  const bad = [0, 1].flatMap((budget) =>
    Object.keys(BAD).map((type) => request(`${type} ${budget}`, type, null, { crash_budget: budget })),
  );
  const every = Math.max(1, Math.floor(GOOD / bad.length));
  const all = good.flatMap((each, index) => [each, ...(index % every === 0 ? bad.splice(0, 1) : [])]);
  return { good, all: [...all, ...bad] };
}

function request(id: string, type: string, payload: unknown, options: TaskOptions): EnqueueRequest {
  const plain = requestOf(id, type, payload);
  return { ...plain, message: JSON.stringify({ ...JSON.parse(plain.message), taskexe: options }) };
}

/** How large the executor is once it has warmed up. */
async function sizeAfterNoops(client: Broker, executor: ExecutorProcess, name: string): Promise<number> {
  for (let at = 0; at < NOOPS; at += 1_000) {
    const some = Array.from({ length: 1_000 }, (_, index) => requestOf(`${name} ${at + index}`, "noop", null));
    await client.enqueue(some.map((each) => ({ ...each, retentionMs: 0 })));
  }
  await until("the no-ops are done", 300_000, async () => {
    const { pending, lag } = await client.backlog();
    return pending + lag === 0;
  });
  await pause(REST_MS);
  return rssOf(executor.pid);
}

function rssOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? Number.NaN) * 1024;
}

/** How long /status takes while all that goes on. */
class StatusLooks {
  readonly #executor: ExecutorProcess;
  readonly #times: number[] = [];

  constructor(executor: ExecutorProcess) {
    this.#executor = executor;
  }

  async take(): Promise<void> {
    const { code, ms } = await this.#executor.get("/status");
    assert.equal(code, 200);
    this.#times.push(ms);
  }

  get #sorted(): readonly number[] {
    return this.#times.toSorted((a, b) => a - b);
  }

  /** The machine may be busy: most of them say how it is. */
  judge(): void {
    const middle = this.#sorted[Math.floor(this.#times.length / 2)] ?? Number.NaN;
    assert.ok(middle < 50, `/status takes ${middle} ms`);
  }

  told(): string {
    const at = (part: number) => Math.round(this.#sorted[Math.floor((this.#times.length - 1) * part)] ?? Number.NaN);
    return `/status p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms of ${this.#times.length}`;
  }
}
