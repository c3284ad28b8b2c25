/** The commands that show what happens while it happens, in pipes and on a terminal. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { frameOf } from "../../../src/cli/output/top-frame.ts";
import { ROOT } from "../../stage/command.ts";
import { Stage } from "../../stage/stage.ts";
import { until } from "../../stage/until.ts";

const stage = Stage.make();
after(() => stage.end());

const ESCAPE = "\x1b";
const uncoloured = (text: string) => text.replaceAll(new RegExp(`${ESCAPE}\\[\\d+m`, "g"), "");

/** Runs the program on a terminal of its own, which util-linux's `script` makes. */
function onTerminal(given: string, env: Record<string, string> = {}) {
  const { PATH = "" } = process.env;
  const program = `${join(ROOT, "node_modules/.bin/bun")} ${join(ROOT, "src/main.ts")}`;
  const child = spawn("script", ["-qec", `stty cols 100 rows 30; exec ${program} ${given}`, "/dev/null"], {
    cwd: stage.folder,
    env: { PATH, HOME: stage.folder, STATE_DIRECTORY: join(stage.folder, "state"), TERM: "xterm", ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const ended = once(child, "close").then(([code]) => ({ code: code as number, output }));
  return { child, ended, output: () => output };
}

test("watch prints a line for each change, then the result, and exits with 0", async () => {
  const executor = await stage.executor({ args: ["--queues", "common"] });
  await stage.run(["enqueue", "sleep", '{"ms":700}', "--id", "w1"]);
  const { stdout, code } = await stage.run(["watch", "w1"]);
  assert.match(stdout, /^(queued\n)?(running\n)?[\s\S]*done\n/);
  assert.equal(code, 0);
  const events = (await stage.run(["watch", "w1", "--json"])).stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual([events[0].kind, events.at(-1).kind, events.at(-1).task.state], ["state", "end", "done"]);

  await stage.run(["enqueue", "fail", '{"message":"no luck"}', "--id", "w2", "--attempts", "1"]);
  const failed = await stage.run(["watch", "w2"]);
  assert.match(failed.stderr, /w2 is dead after 1 attempt: /);
  assert.equal(failed.code, 1);

  const nobody = await stage.run(["watch", "nobody"]);
  assert.match(nobody.stderr, /no record of a task "nobody" is kept on sqlite:/);
  assert.deepEqual([nobody.stdout, nobody.code], ["", 1]);
  executor.kill("SIGTERM");
  await executor.ended;
});

test("watch and a wait end with 1 where the record is lost, and claim no end that nobody saw", async (t) => {
  const losing = Stage.make();
  t.after(() => losing.end());
  await losing.run(["enqueue", "idle", "--id", "lost", "--queue", "still"]);
  const watching = losing.start(["watch", "lost"]);
  await watching.says(/queued/);
  const waiting = losing.start(["enqueue", "idle", "--id", "lost", "--queue", "still", "--wait"]);
  await waiting.says(/lost waits/);
  for (const end of ["", "-wal", "-shm"]) await rm(join(losing.folder, `state/queue.db${end}`), { force: true });
  for (const { ended } of [watching, waiting]) {
    const { stderr, code } = await ended;
    assert.match(
      stderr,
      /no record of lost is there any more: it has ended and none was kept, or the broker lost what it held/,
    );
    assert.equal(code, 1);
  }
});

test("watch ends with a cancel, and ctrl-C leaves with 130", async () => {
  await stage.run(["enqueue", "idle", "--id", "w3", "--queue", "still"]);
  const first = stage.start(["watch", "w3"]);
  await first.says(/queued/);
  first.kill("SIGINT");
  assert.equal((await first.ended).code, 130);
  const second = stage.start(["watch", "w3"]);
  await second.says(/queued/);
  await stage.run(["cancel", "w3"]);
  const { stderr, code } = await second.ended;
  assert.match(stderr, /w3 is cancelled/);
  assert.equal(code, 1);
});

test("watch draws a bar on a terminal and takes it away at the end", async () => {
  await stage.run(["enqueue", "idle", "--id", "w4", "--queue", "still"]);
  const terminal = onTerminal("watch w4");
  await until(async () => terminal.output().includes("w4 [------------------------------] 0 %"));
  await stage.run(["cancel", "w4"]);
  const { code, output } = await terminal.ended;
  assert.equal(code, 1);
  assert.match(output, /w4 is cancelled/);
});

test("top --once prints one frame without colours", async (t) => {
  const quiet = Stage.make();
  t.after(() => quiet.end());
  await quiet.run(["enqueue", "idle", "--id", "t1"]);
  const executor = await quiet.executor({ args: ["--queues", "other", "--name", "topmost"] });
  await quiet.run(["enqueue", "noop", "--queue", "other", "--wait"]);
  await quiet.run(["enqueue", "fail", '{"message":"no luck"}', "--attempts", "1", "--queue", "other", "--wait"]);
  const { stdout, code } = await quiet.run(["top", "--once", "--queues", "common,other"]);
  assert.equal(code, 0);
  assert.match(stdout, /^taskexe top {3}sqlite:/);
  assert.match(stdout, /1 executor, 0 of 5 slots taken; 1 queued/);
  assert.match(stdout, /common +1 +0 +0 +0 +0 +0/);
  assert.match(stdout, /other +0 +0 +0 +1 +1 +0/);
  assert.match(stdout, /topmost +0\/5/);
  assert.ok(!stdout.includes(ESCAPE));
  const view = JSON.parse((await quiet.run(["top", "--queues", "common,other", "--json"])).stdout);
  assert.deepEqual(
    view.queues.map(({ name }: { name: string }) => name),
    ["common", "other"],
  );
  executor.kill("SIGTERM");
  await executor.ended;
});

test("top draws anew each second on a terminal, and q leaves it as it was", async () => {
  const terminal = onTerminal("top");
  await until(async () => terminal.output().split("\x1b[H").length > 2);
  assert.ok(terminal.output().includes(`${ESCAPE}[?1049h`));
  terminal.child.stdin.write("q");
  const { code, output } = await terminal.ended;
  assert.equal(code, 0);
  assert.ok(output.trimEnd().endsWith("\x1b[?25h\x1b[?1049l"), JSON.stringify(output.slice(-60)));
});

test("ctrl-C leaves top too, and colours can be turned off", async () => {
  const terminal = onTerminal("top", { NO_COLOR: "1" });
  await until(async () => terminal.output().includes("\x1b[H"));
  terminal.child.stdin.write("\x03");
  const { code, output } = await terminal.ended;
  assert.equal(code, 0);
  assert.equal(uncoloured(output), output);
});

test("a frame fits its screen, marks what is wrong and lets no text of a task steer the terminal", () => {
  const record = {
    ...{
      id: "evil\x1b[2J",
      type: "work",
      queue: "common",
      priority: 0,
      state: "running" as const,
      attempt: 1,
      crashes: 0,
    },
    ...{
      completions: 0,
      progress: 0.5,
      progress_msg: "10:00:00 one\n10:00:01 two",
      result_omitted: null,
      ended_by: null,
      times: null,
      reason: null,
      error: null,
      errors: [],
    },
    ...{ executor: "e", enqueued_at: 0, started_at: 100_000, finished_at: null, due_at: null },
  };
  const view = {
    url: "redis://h:6379/1",
    counted_at: 200_000,
    queues: [
      ...[
        {
          name: "common",
          queued: 1,
          running: 2,
          scheduled: 3,
          dead: 4,
          done: 5,
          cancelled: 6,
          paused: false,
          executors: 2,
        },
      ],
      ...[
        {
          name: "left",
          queued: 0,
          running: 0,
          scheduled: 0,
          dead: 0,
          done: 8,
          cancelled: 0,
          paused: false,
          executors: 0,
        },
      ],
    ],
    paused: { queues: [], types: ["slow"] },
    fleet: [
      {
        name: "fresh",
        at: 190_000,
        beat: {
          ...{ concurrency: 5, slots_taken: 2, current: { a: {} }, done: 9, failed: 3, dead: 1, cancelled: 2 },
          runners: [
            {
              ...{ pid: 4711, kind: "handlers", isolation: "own", state: "blocked", generation: 3, tasks: 1, done: 17 },
              ...{ rss_bytes: 52_428_800, busy_since: "1970-01-01T00:02:20.000+00:00" },
            },
          ],
          more_runners: 2,
        },
      },
      { name: "foreign", at: 190_000, beat: { current: { b: {} }, done: 7, failed: 4 } },
      { name: "late", at: 1_000, beat: null },
    ],
    running: [record],
  };
  const plain = frameOf(view, { colours: false }).join("\n");
  assert.match(plain, /3 executors, 3 of 5 slots taken; 1 queued, 3 scheduled, 4 dead/);
  assert.match(plain, /paused types: slow/);
  assert.match(plain, /common( +\d){6} +2/);
  assert.match(plain, /left( +\d){6} +none/);
  assert.match(plain, /executor +slots +done +dead +cancelled +last beat/);
  assert.match(plain, /fresh +2\/5 +9 +1 +2 +10 s/);
  assert.match(plain, /runner +kind +generation +isolation +state +tasks +done +memory +busy for +executor/);
  assert.match(plain, /4711 +handlers +3 +own +blocked +1 +17 +50\.0 MB +\d+ (s|min) +fresh\n *and 2 runners more/);
  assert.match(plain, /foreign +1\/0 +7 +4 +0 +10 s/);
  assert.match(plain, /late +0\/0 +0 +0 +0 +3 min/);
  assert.match(plain, /evil\\u001b\[2J +work +1 +\[#{10}-{10}\] 50 % +100 s +10:00:01 two/);
  assert.ok(!plain.includes(ESCAPE));
  const small = frameOf(view, { colours: true, columns: 40, rows: 5 });
  assert.equal(small.length, 5);
  for (const line of small) assert.ok(uncoloured(line).length <= 40);
  assert.ok(frameOf(view, { colours: true }).join("\n").includes(`${ESCAPE}[31mlate`));
});
