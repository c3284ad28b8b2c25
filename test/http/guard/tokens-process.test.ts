/** Tokens of a real executor: made by the command line, limited, revoked by a SIGHUP, and shown nowhere. */
import assert from "node:assert/strict";
import { appendFileSync, chmodSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { Stage } from "../../stage/stage.ts";
import { until } from "../../stage/until.ts";

const stage = Stage.make();
after(() => stage.end());

const SLOW = { timeout: 120_000 };

/** A token from the command line, put into the file. */
async function made(file: string, ...args: string[]): Promise<string> {
  const { stdout, code } = await stage.run(["token", "new", ...args]);
  assert.equal(code, 0);
  const [token = "", , ...entry] = stdout.split("\n");
  appendFileSync(file, `${entry.join("\n")}\n`);
  chmodSync(file, 0o600);
  return token;
}

test(
  "a token of the command line lets in as its role says, until it is taken out and a SIGHUP comes",
  SLOW,
  async () => {
    const file = stage.path("tokens.toml");
    writeFileSync(file, "");
    const reader = await made(file, "reader");
    const operator = await made(file, "ops", "--role", "operate", "--queue", "roles", "--queue", "mail");
    const executor = await stage.executor({ args: ["--queues", "roles"], env: { TASKEXE_TOKENS_FILE: "tokens.toml" } });
    const ask = async (token: string, method: string, path: string, body?: unknown): Promise<number> => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      const sent = body === undefined ? {} : { body: JSON.stringify(body) };
      const response = await fetch(`${executor.url}/api/v1/${path}`, { method, headers, ...sent });
      await response.text();
      return response.status;
    };
    const task = (queue: string) => ({ type: "sleep", payload: { ms: 1 }, queue });
    assert.equal(await ask("", "GET", "tasks"), 401);
    assert.equal(await ask(reader, "GET", "tasks"), 200);
    assert.equal(await ask(reader, "POST", "tasks", task("roles")), 403);
    assert.equal(await ask(operator, "POST", "tasks", task("roles")), 201);
    assert.equal(await ask(operator, "POST", "tasks", task("common")), 403);

    writeFileSync(file, "[[token]]\nname = 1\n");
    executor.kill("SIGHUP");
    await executor.says(/the tokens stay as they were/);
    assert.equal(await ask(reader, "GET", "tasks"), 200, "a file that is wrong changes nothing");

    writeFileSync(file, "");
    const next = await made(file, "next", "--role", "admin");
    executor.kill("SIGHUP");
    await until(async () => (await ask(reader, "GET", "tasks")) === 401);
    assert.equal(await ask(next, "GET", "tasks"), 200);
    executor.kill("SIGTERM");
    const { code, stdout, stderr } = await executor.ended;
    assert.equal(code, 0);
    for (const token of [reader, operator, next]) assert.ok(!`${stdout}${stderr}`.includes(token));
  },
);

test("a tokens file that is wrong ends the start with 2, and check tells it", SLOW, async () => {
  writeFileSync(stage.path("wrong.toml"), '[[token]]\nname = "a"\nrole = "root"\n');
  const env = { TASKEXE_TOKENS_FILE: "wrong.toml" };
  const run = await stage.run(["run", "--listen", "127.0.0.1:0"], { env });
  assert.equal(run.code, 2);
  assert.match(run.stderr, /\[\[token\]\] 1: role: expected read, operate, admin/);
  const check = await stage.run(["check", "--offline"], { env });
  assert.equal(check.code, 2);
  assert.match(check.stdout, /problem +token +.*\[\[token\]\] 1: role/);
});

test("token new takes a name, a role and queues that there can be", SLOW, async () => {
  for (const [args, problem] of [
    [["token", "new"], /missing required argument/],
    [["token", "new", "a b"], /NAME: expected 1 to 64 letters/],
    [["token", "new", "token"], /NAME: expected another name than "token"/],
    [["token", "new", "a", "--role", "root"], /flag --role: expected read, operate, admin, got "root"/],
    [["token", "new", "a", "--queue", "a b"], /flag --queue: must be letters/],
  ] as const) {
    const { code, stderr } = await stage.run([...args]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, problem);
  }
  const { stdout } = await stage.run(["token", "new", "a", "--json"]);
  const { token, entry } = JSON.parse(stdout);
  assert.match(token, /^te_/);
  assert.match(entry, /^\[\[token\]\]\nname = "a"\nrole = "read"\nhash = "sha256:[0-9a-f]{64}"\n$/);
});
