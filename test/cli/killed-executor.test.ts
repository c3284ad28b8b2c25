/**
 * The executable killed with SIGKILL while all kinds of processes of it compute: none is left within a second. And what
 * its runners find of it in their environment.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { requestOf } from "../stage/outcomes.ts";
import { processesWith } from "../stage/processes-with.ts";
import { builtOnce } from "../stage/programs.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { recordOnce, until, untilBy } from "../stage/until.ts";

const home = Stage.make();
const theExecutable = builtOnce(() => join(home.folder, "bin/taskexe"));
after(() => home.end());

const WORKER = `
import json, os
source, out = os.fdopen(3), os.fdopen(4, "w")
def say(**message):
    out.write(json.dumps(message) + "\\n"); out.flush()
say(kind="hello", protocol=1, language="python", pid=os.getpid(), types=[{"type": "python"}])
for line in source:
    message = json.loads(line)
    if message["kind"] == "run":
        say(kind="begun", runs=[message["run"]])
        say(kind="log", run=message["run"], level="info", text="up")
        while True: pass
`;

const TASKS = `import { spawn } from "node:child_process";
  import { defineTask } from "taskexe";
  const forEver = ({ log }) => { log.info("up"); setTimeout(() => { for (;;); }, 50); return new Promise(() => {}); };
  export const shared = defineTask({ type: "shared", isolation: "shared", run: forEver });
  export const own = defineTask({ type: "own", isolation: "own", run: (context) => {
    spawn("/bin/sleep", [process.env.MARK + ".5"], { stdio: "ignore" });
    return forEver(context);
  } });
  export const environment = defineTask({ type: "environment", run: () => JSON.stringify(process.env) });`;

test("an executor that is killed leaves nothing, whatever its processes compute", {
  ...SLOW,
  skip: isNotLinux(),
}, async () => {
  await Stage.with(async (stage) => {
    const mark = String(90_000 + process.pid);
    const computes = 'echo up; trap "" TERM; while :; do :; done';
    await stage.write({
      "tasks/handlers.mjs": TASKS,
      "worker.py": WORKER,
      "taskexe.toml":
        `[exec.command]\ncommand = ["sh", "-c", ${JSON.stringify(computes)}]\n` +
        '[worker.py]\ncommand = ["python3", "worker.py"]\n',
    });
    const broker = `sqlite:${stage.path("queue.db")}`;
    const executor = await stage.executor({
      broker,
      program: await theExecutable(),
      tasks: stage.path("tasks"),
      args: ["--config", stage.path("taskexe.toml"), "--isolation", "shared"],
      env: { MARK: mark },
    });
    const client = await stage.client(broker);
    const types = ["shared", "own", "python", "command"];
    for (const type of types) {
      await client.enqueue([requestOf(type, type, null)]);
      await untilBy(executor, `${type} runs`, async () => (await client.logs(type)).length > 0);
    }
    // The executor, three runners, the command and the child of a handler; the guardian has no environment.
    assert.ok(processesWith(mark).length >= 6, JSON.stringify(processesWith(mark)));
    const exit = executor.exit;
    executor.kill("SIGKILL");
    const killedAt = performance.now();
    await until("nothing is left", 5_000, () => processesWith(mark).length === 0);
    const ms = performance.now() - killedAt;
    assert.ok(ms < 1_000, `${ms} ms`);
    await exit;
  });
});

test("runners find nothing of the executor's own in their environment", { ...SLOW, skip: isNotLinux() }, async () => {
  await Stage.with(async (stage) => {
    await stage.write({ "tasks/handlers.mjs": TASKS });
    const broker = `sqlite:${stage.path("queue.db")}`;
    const executor = await stage.executor({
      broker,
      program: await theExecutable(),
      tasks: stage.path("tasks"),
      args: ["--isolation", "shared", "--runner-env", "SEEN*"],
      env: {
        ...{ TASKEXE_TOKEN: "a-secret-of-ours-0123456789", NOTIFY_SOCKET: "/nowhere", BUN_OPTIONS: "--smol" },
        ...{ SEEN_HERE: "1", UNSEEN: "2", PYTHONPATH: "/py" },
      },
    });
    const client = await stage.client(broker);
    await client.enqueue([requestOf("one", "environment", null)]);
    const { result } = await recordOnce("done", executor, client, "one");
    const found = Object.keys(JSON.parse(String(result)) as object).sort();
    // What the tests themselves need of the system may be there, too.
    assert.deepEqual(
      found.filter((name) => !["LANG", "TZ", "TMPDIR", "NODE_ENV"].includes(name) && !/^LC_/.test(name)),
      ["HOME", "PATH", "PYTHONPATH", "SEEN_HERE", "TASKEXE_RUNNER_OF"],
    );
  });
});

const UPKEEP = `import { spawn } from "node:child_process";
  import { defineTask } from "taskexe";
  const asked = (payload) => {
    if (payload === "leave") spawn("setsid", ["-f", "env", "-i", "/bin/sleep", "MARKER"], { stdio: "ignore" });
    if (payload === "grow") globalThis.kept = Buffer.alloc(170_000_000, 1);
    return new Promise((end) => setTimeout(() => end(process.pid), payload === null ? 0 : 1_500));
  };
  export const own = defineTask({ type: "own", isolation: "own", run: ({ payload }) => asked(payload) });
  export const shared = defineTask({ type: "shared", run: ({ payload }) => asked(payload) });`;

test("runners are rid of what attempts leave, and replaced for their memory and age", {
  ...SLOW,
  skip: isNotLinux(),
}, async () => {
  await Stage.with(async (stage) => {
    const mark = String(91_000 + process.pid);
    await stage.write({ "tasks/handlers.mjs": UPKEEP.replace("MARKER", mark) });
    const broker = `sqlite:${stage.path("queue.db")}`;
    const executor = await stage.executor({
      broker,
      program: await theExecutable(),
      tasks: stage.path("tasks"),
      args: ["--isolation", "shared", "--runner-max-rss", "200MB", "--runner-max-tasks", "3", "--concurrency", "1"],
    });
    const client = await stage.client(broker);
    let number = 0;
    const run = async (type: string, payload: unknown): Promise<unknown> => {
      const id = `${type}-${++number}`;
      await client.enqueue([requestOf(id, type, payload)]);
      return (await recordOnce("done", executor, client, id)).result;
    };
    const first = await run("own", "leave");
    // A moment after its end; the runner itself stays.
    await until("what it left is gone", 1_000, () => processesWith(mark).length === 0);
    assert.deepEqual([await run("own", null), await run("own", null)], [first, first]);
    assert.notEqual(await run("own", null), first);

    const large = await run("shared", "grow");
    await untilBy(executor, "it is replaced", () => / MB: it is replaced/.test(executor.output()));
    assert.notEqual(await run("shared", null), large);
  });
});

function isNotLinux(): boolean {
  return process.platform !== "linux";
}
