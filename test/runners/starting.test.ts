/** An executor whose runners take their time to start: it answers, is not ready, says why, and claims nothing. */
import assert from "node:assert/strict";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { drained } from "../stage/executor.ts";
import { requestOf } from "../stage/outcomes.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { recordOnce, untilBy } from "../stage/until.ts";

/** A worker that says hello once its gate is there, and is done with whatever it is given. */
const WORKER = `while [ ! -e "$1" ]; do sleep 0.05; done
echo '{"kind":"hello","protocol":1,"language":"sh","pid":'$$',"types":[{"type":"slow"}]}' >&4
while read -r line <&3; do
  case $line in
    '{"kind":"run","run":'*) run=\${line#*'"run":'}; run=\${run%%,*}
      echo '{"kind":"begun","runs":['$run']}' >&4; echo '{"kind":"done","run":'$run'}' >&4 ;;
    '{"kind":"ping","ask":'*) ask=\${line#*'"ask":'}; echo '{"kind":"answer","ask":'\${ask%%\\}*}'}' >&4 ;;
    *stop*) exit 0 ;;
  esac
done
`;

test("until each kind has said hello HTTP answers, /readyz is 503 and says why, and nothing is claimed", SLOW, () =>
  Stage.with(async (stage) => {
    const url = `sqlite:${join(stage.folder, "queue.db")}`;
    const [script, gate] = [stage.path("worker.sh"), stage.path("gate")];
    await stage.write({
      "worker.sh": WORKER,
      "taskexe.toml": `[worker.lazy]\ncommand = ["sh", ${JSON.stringify(script)}, ${JSON.stringify(gate)}]\n`,
    });
    const client = await stage.client(url);
    await client.enqueue([requestOf("early", "slow", null)]);
    const args = ["--config", stage.path("taskexe.toml")];
    const executor = await stage.executor({ broker: url, args, ready: false });
    const asked = async (path: string) => {
      const { code, body } = await executor.get(path);
      return [code, body] as const;
    };
    assert.deepEqual(await asked("/healthz"), [200, '{"ok":true}']);
    await untilBy(executor, "the worker is awaited", async () => (await asked("/readyz"))[1].includes("worker lazy"));
    assert.deepEqual(await asked("/readyz"), [
      503,
      '{"ready":false,"reason":"starting: no hello yet from worker lazy"}',
    ]);
    const [code, refusal] = await asked("/api/v1/tasks");
    assert.equal(code, 503);
    assert.match(refusal, /"code":"starting"/);
    const { state, runners } = await executor.status();
    assert.deepEqual([state, runners?.generation, runners?.awaited], ["starting", 0, ["worker lazy"]]);
    assert.equal((await client.record("early"))?.state, "queued");
    await stage.write({ gate: "" });
    await recordOnce("done", executor, client, "early");
    assert.equal((await asked("/readyz"))[0], 200);
    const after = await executor.status();
    assert.deepEqual([after.runners?.generation, after.runners?.awaited], [1, []]);
    assert.equal(await drained(executor), 0);
  }),
);

test("SIGTERM ends an executor whose runners have not said hello, and nothing is left of them", SLOW, () =>
  Stage.with(async (stage) => {
    const script = stage.path("worker.sh");
    await stage.write({
      "worker.sh": WORKER,
      "taskexe.toml": `[worker.lazy]\ncommand = ["sh", ${JSON.stringify(script)}, "/nowhere/gate"]\n`,
    });
    const args = ["--config", stage.path("taskexe.toml")];
    const executor = await stage.executor({ broker: `sqlite:${stage.path("queue.db")}`, args, ready: false });
    await untilBy(executor, "the worker is there", async () => {
      return ((await executor.status()).runners?.processes.length ?? 0) > 0;
    });
    const [worker] = (await executor.status()).runners?.processes ?? [];
    assert.equal(await drained(executor), 0);
    assert.throws(() => process.kill(worker?.pid ?? 0, 0), /ESRCH/);
  }),
);

test("start_timeout of a worker is how long its hello is waited for; then the executor ends with 2", SLOW, () =>
  Stage.with(async (stage) => {
    await stage.write({
      "worker.sh": WORKER,
      "taskexe.toml": `[worker.lazy]
command = ["sh", ${JSON.stringify(stage.path("worker.sh"))}, "/nowhere/gate"]
start_timeout = "1s"
`,
    });
    const args = ["run", "--config", stage.path("taskexe.toml"), "--listen", "off"];
    const { code, stderr } = await stage.run([...args, "--broker", `sqlite:${stage.path("queue.db")}`]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /worker lazy cannot be started: process \d+ has not said hello within 1000 ms/);
  }),
);

test("tasks of a worker whose program is gone wait as retrying, uncharged, and hold up no others", SLOW, () =>
  Stage.with(async (stage) => {
    const url = `sqlite:${join(stage.folder, "queue.db")}`;
    const script = stage.path("worker.sh");
    await stage.write({
      ...{ gate: "", "worker.sh": WORKER },
      "taskexe.toml": `retry_later_limit = 1
concurrency = 2
[worker.lazy]
command = ["sh", ${JSON.stringify(script)}, ${JSON.stringify(stage.path("gate"))}]
`,
    });
    const executor = await stage.executor({ broker: url, args: ["--config", stage.path("taskexe.toml")] });
    const client = await stage.client(url);
    await rename(script, `${script}.away`);
    const [worker] = (await executor.status()).runners?.processes ?? [];
    process.kill(worker?.pid ?? 0, "SIGKILL");
    await untilBy(executor, "it cannot be started again", async () => {
      return (await executor.status()).runners?.problems.some((problem) => problem.includes("worker.sh")) === true;
    });
    await client.enqueue(["a", "b", "c"].map((id) => requestOf(id, "slow", null)));
    for (const id of ["a", "b", "c"]) await recordOnce("retrying", executor, client, id);
    await client.enqueue([requestOf("other", "noop", null)]);
    await recordOnce("done", executor, client, "other");
    // Oftener than a handler may ask for it.
    await untilBy(executor, "one was handed back three times", async () => {
      return ((await client.record("a"))?.errors.length ?? 0) >= 3;
    });
    assert.match((await client.record("a"))?.errors[0]?.message ?? "", /worker lazy cannot be started/);
    await rename(`${script}.away`, script);
    for (const id of ["a", "b", "c"]) {
      const { attempt, crashes } = await recordOnce("done", executor, client, id);
      assert.deepEqual([attempt, crashes], [1, 0]);
    }
    assert.equal(await drained(executor), 0);
  }),
);
