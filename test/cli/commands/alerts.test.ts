/** Alerts of real executors: seen over HTTP and by the command, told as a task of a type that the settings name. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { SLOW, Stage } from "../../stage/stage.ts";
import { until } from "../../stage/until.ts";

const stage = Stage.make();
after(() => stage.end());

const HANDLERS = `import { defineTask } from "taskexe";
export const broken = defineTask({ type: "broken", attempts: 1, run: () => { throw new Error("as it is meant"); } });
export const notify = defineTask({ type: "notify", run: (payload) => payload });
`;

test("a dead task is an alert: one task for a fleet of two, and all ways tell the same", SLOW, async () => {
  await stage.write({
    "handlers/alerts.ts": HANDLERS,
    "taskexe.toml": 'tasks = "handlers"\nqueues = "common"\nheartbeat_timeout = "2s"\n[alert]\ntype = "notify"\n',
  });
  const start = (name: string) => stage.executor({ args: ["--config", "taskexe.toml"], name });
  const [one, two] = [await start("one"), await start("two")];
  assert.match((await stage.run(["alerts", "--url", one.url])).stdout, /all is well/);
  await stage.run(["enqueue", "broken"]);
  const alertsOf = async (url: string) => (await (await fetch(`${url}/api/v1/alerts`)).json()).alerts;
  const seen = await until(async () => {
    const all = [...(await alertsOf(one.url)), ...(await alertsOf(two.url))];
    return all.length > 0 && all;
  });
  const [{ name, severity, labels }] = seen;
  assert.deepEqual([name, severity, labels], ["TaskexeDeadTasks", "warning", { queue: "common", type: "broken" }]);
  const told = await until(async () => {
    const { tasks } = JSON.parse((await stage.run(["list", "--type", "notify", "--state", "done", "--json"])).stdout);
    return tasks.length > 0 && tasks;
  });
  assert.equal(told.length, 1);
  const { payload } = JSON.parse(told[0].message);
  assert.deepEqual([payload.name, payload.state, payload.labels.type], ["TaskexeDeadTasks", "begin", "broken"]);
  const url = (await alertsOf(one.url)).length > 0 ? one.url : two.url;
  const command = await stage.run(["alerts", "--url", url, "--json"]);
  assert.deepEqual(JSON.parse(command.stdout).alerts, await alertsOf(url));
  const nobody = await stage.run(["alerts", "--url", "http://127.0.0.1:9"]);
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /no executor tells of alerts/);
});

test("a key of [alert] that there is not, and a type that is none, end the start", SLOW, async () => {
  for (const [text, problem] of [
    ['[alert]\ncolour = "red"\n', /unknown key .*alert\.colour/],
    ['[alert]\ntype = ""\n', /alert\.type: expected/],
    ['alert = "notify"\n', /unknown key .*alert/],
  ] as const) {
    await stage.write({ "wrong.toml": text });
    const { code, stderr } = await stage.run(["run", "--config", "wrong.toml", "--listen", "off"]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, problem);
  }
});
