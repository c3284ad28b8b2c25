/** Which broker `status` is about, and what a command does about a file that is not there. */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { Stage } from "../../stage/stage.ts";

const stage = Stage.make();
after(() => stage.end());

test("status says so when the executor that answers works on another broker than the one that was named", async () => {
  const executor = await stage.executor({ args: ["--broker", "sqlite:mine.db"] });
  const { host } = new URL(executor.url);
  const ask = (broker: string, ...given: string[]) =>
    stage.status(["--listen", host, ...given], { env: { TASKEXE_BROKER: broker } });
  const other = await ask("redis://user:s3cret@elsewhere/1");
  assert.equal(
    other.stderr,
    `taskexe: the executor at ${host} works on sqlite:mine.db, not on redis://elsewhere:6379/1 (environment ` +
      "TASKEXE_BROKER); --listen off asks that one\n",
  );
  assert.match(other.stdout, /broker +sqlite:mine\.db/);
  const json = await ask("redis://elsewhere/1", "--json");
  assert.match(json.stderr, /works on sqlite:mine\.db, not on redis:\/\/elsewhere:6379\/1/);
  assert.equal(JSON.parse(json.stdout).broker.url, "sqlite:mine.db");
  const flag = await stage.status(["--listen", host, "--broker", "sqlite:other.db"]);
  assert.match(flag.stderr, /works on sqlite:mine\.db, not on sqlite:other\.db \(flag --broker\)/);

  for (const same of ["sqlite:mine.db", `sqlite:${join(stage.folder, "mine.db")}`]) {
    assert.equal((await ask(same)).stderr, "");
  }
  assert.equal((await stage.status(["--url", executor.url])).stderr, "");
  executor.kill("SIGTERM");
  assert.equal((await executor.ended).code, 0);
});

test("a command that only looks creates no file where the one that was named is missing", async () => {
  // The runtime keeps a cache in the home folder.
  const files = () => readdirSync(stage.folder).filter((name) => name !== "home");
  const before = files();
  for (const given of [["status"], ["list"], ["task", "x"], ["watch", "x"], ["top", "--once"]]) {
    const { stdout, stderr, code } = await stage.run([...given, "--broker", "sqlite:./typo/q.db"]);
    assert.equal(
      stderr,
      `taskexe: flag --broker: there is no such file ${join(stage.folder, "typo/q.db")}; an executor or an enqueue ` +
        "creates it\n",
    );
    assert.deepEqual([stdout, code], ["", 1]);
  }
  const named = await stage.run(["list"], { env: { TASKEXE_BROKER: "sqlite:typo.db" } });
  assert.match(named.stderr, /environment TASKEXE_BROKER: there is no such file .*typo\.db/);
  assert.deepEqual(files(), before);
});

test("an enqueue creates the file that was named, and the default one is there for everybody", async () => {
  assert.equal((await stage.run(["enqueue", "idle", "--broker", "sqlite:new/q.db"])).code, 0);
  assert.ok(existsSync(join(stage.folder, "new/q.db")));
  assert.equal((await stage.run(["list", "--broker", "sqlite:new/q.db"])).code, 0);
  const input = '{"type":"idle"}\n';
  assert.equal((await stage.run(["enqueue", "--jsonl", "-", "--broker", "sqlite:lines.db"], { stdin: input })).code, 0);
  assert.ok(existsSync(join(stage.folder, "lines.db")));
  assert.equal((await stage.run(["list"])).code, 0);
});

test("an address that its broker cannot read is told with its origin", async () => {
  const { stderr, code } = await stage.run(["list"], { env: { TASKEXE_BROKER: "redis://user:%zz@host/1" } });
  assert.match(stderr, /^taskexe: environment TASKEXE_BROKER: the Redis address cannot be read: a "%"/);
  assert.equal(code, 2);
  const port = await stage.run(["run"], { env: { TASKEXE_BROKER: "redis://127.0.0.1:99999/1" } });
  assert.match(
    port.stderr,
    /^taskexe: environment TASKEXE_BROKER: expected redis:\/\/\[user:password@\]HOST.*, got "redis:.*:99999\/1"/,
  );
  assert.equal(port.code, 2);
});
