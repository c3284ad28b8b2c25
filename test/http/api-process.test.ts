/** The API of a real executor: tasks run that came over HTTP, and its token is nowhere to be seen. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { TOKEN } from "../stage/api.ts";
import { Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";

const stage = Stage.make();
after(() => stage.end());

const SLOW = { timeout: 60_000 };
const headers = { "content-type": "application/json" };

async function post(url: string, body: unknown, more: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { method: "POST", headers: { ...headers, ...more }, body: JSON.stringify(body) });
}

test("a task that came over HTTP is run, and its watch ends with the result", SLOW, async () => {
  const executor = await stage.executor({ args: ["--queues", "http"] });
  const api = `${executor.url}/api/v1`;
  const enqueued = await post(`${api}/tasks`, { type: "sleep", payload: { ms: 300 }, id: "s", queue: "http" });
  assert.equal(enqueued.status, 201);
  const events = await (await fetch(`${api}/tasks/s/watch`)).text();
  assert.match(events, /event: end\ndata: \{"task":\{"id":"s",.*"state":"done"/);
  const nap = { type: "sleep", payload: { ms: 600_000 }, id: "nap", queue: "http" };
  await post(`${api}/tasks`, nap);
  await until(async () => (await (await fetch(`${api}/tasks/nap`)).json()).state === "running");
  assert.deepEqual(await (await post(`${api}/tasks/nap/cancel`, {})).json(), { id: "nap", state: "running" });
  await until(async () => (await (await fetch(`${api}/tasks/nap`)).json()).state === "cancelled");
  const { queues } = await (await fetch(`${api}/queues`)).json();
  assert.deepEqual([queues[0].name, queues[0].done, queues[0].cancelled], ["http", 1, 1]);
  executor.kill("SIGTERM");
  assert.equal((await executor.ended).code, 0);
});

test("an executor drains while somebody watches", SLOW, async () => {
  const executor = await stage.executor({ args: ["--queues", "drained"] });
  await stage.run(["enqueue", "idle", "--id", "still", "--queue", "elsewhere"]);
  const watching = await fetch(`${executor.url}/api/v1/tasks/still/watch`);
  const reader = watching.body?.getReader();
  await reader?.read();
  executor.kill("SIGTERM");
  assert.equal((await executor.ended).code, 0);
});

const TELL_ENVIRONMENT = `import { defineTask } from "taskexe";
export default defineTask({ type: "environment", run: () => JSON.stringify(process.env) });
`;

for (const from of ["environment", "file"]) {
  test(`the token of the ${from} guards the API and is shown nowhere`, SLOW, async () => {
    mkdirSync(join(stage.folder, "handlers"), { recursive: true });
    writeFileSync(join(stage.folder, "handlers/environment.ts"), TELL_ENVIRONMENT);
    writeFileSync(join(stage.folder, "token"), `${TOKEN}\n`);
    const env = from === "file" ? { TASKEXE_TOKEN_FILE: "token" } : { TASKEXE_TOKEN: TOKEN };
    const executor = await stage.executor({
      args: ["--queues", "guarded", "--tasks", "handlers"],
      env: {
        ...env,
        TASKEXE_DEBUG: "1",
      },
    });
    const api = `${executor.url}/api/v1`;
    assert.equal((await fetch(`${api}/tasks`)).status, 401);
    assert.equal((await fetch(`${api}/tasks`, { headers: { authorization: "Bearer wrong" } })).status, 401);
    const bearer = { authorization: `Bearer ${TOKEN}` };
    const id = `from-${from}`;
    assert.equal((await post(`${api}/tasks`, { type: "environment", id, queue: "guarded" }, bearer)).status, 201);
    const told = await (await fetch(`${api}/tasks/${id}/watch`, { headers: bearer })).text();
    assert.match(told, /"state":"done"/);
    const status = await (await fetch(`${executor.url}/status`)).text();
    const tree = await (await fetch(`${executor.url}/status/tree`)).text();
    executor.kill("SIGTERM");
    const { stdout, stderr } = await executor.ended;
    for (const text of [told, status, tree, stdout, stderr]) assert.ok(!text.includes(TOKEN));
  });
}

test("a token that cannot be used stops the executor before it starts, and is not shown", SLOW, async () => {
  for (const env of [
    { TASKEXE_TOKEN: "tooshort" },
    { TASKEXE_TOKEN_FILE: "missing" },
    { TASKEXE_TOKEN: TOKEN, TASKEXE_TOKEN_FILE: "token" },
  ]) {
    const { stderr, code } = await stage.run(["run", "--listen", "off"], { env });
    assert.equal(code, 2);
    assert.match(stderr, /TASKEXE_TOKEN|token file/);
    assert.doesNotMatch(stderr, /tooshort|0123456789abcdef/);
  }
});
