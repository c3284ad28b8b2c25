/** `check`, on the built executable: what would not work is told, and nothing is changed. */
import assert from "node:assert/strict";
import { chmodSync, readdirSync } from "node:fs";
import { after, test } from "node:test";
import type { Finding } from "../../../src/cli/check/finding.ts";
import { builtOnce } from "../../stage/programs.ts";
import { SLOW, Stage } from "../../stage/stage.ts";

const stage = Stage.make();
after(() => stage.end());
const executable = builtOnce(() => stage.path("bin/taskexe"));

const GOOD = 'import { defineTask } from "taskexe";\nexport default defineTask({ type: "good", run: () => 1 });\n';

async function check(...args: string[]) {
  return stage.run(["check", ...args], { program: await executable() });
}

async function findings(...args: string[]): Promise<{ code: number | null; ok: boolean; findings: Finding[] }> {
  const { stdout, stderr, code } = await check(...args, "--json");
  assert.equal(stderr, "");
  return { code, ...JSON.parse(stdout) };
}

function problemsOf(all: readonly Finding[]): string[] {
  return all.filter(({ verdict }) => verdict === "problem").map(({ part, what }) => `${part}: ${what}`);
}

test("what would work is told line by line, and nothing is made or changed", SLOW, async () => {
  await stage.write({ "good/one.ts": GOOD, "good.toml": 'tasks = "good"\nbroker = "sqlite:deep/down/q.db"\n' });
  const before = readdirSync(stage.folder, { recursive: true }).sort();
  const { stdout, stderr, code } = await check("--config", "good.toml");
  assert.deepEqual([code, stderr], [0, ""]);
  const lines = stdout.trimEnd().split("\n");
  assert.match(lines[0] ?? "", /^ok {7}settings {2}queues common, 5 at once; from good\.toml$/);
  assert.match(stdout, /\nok {7}broker {4}sqlite:.*deep\/down\/q\.db is not there yet; it will be made\n/);
  assert.match(stdout, /\nok {7}handlers {2}good: .*\/good\/one\.ts\n/);
  assert.ok(lines.every((line) => line.startsWith("ok ")));
  const after = readdirSync(stage.folder, { recursive: true }).sort();
  const isOwn = (name: string | Buffer) => !/^(home|bin)\b/.test(String(name));
  assert.deepEqual(after.filter(isOwn), before.filter(isOwn));
});

test("every wrong setting is told with its place", SLOW, async () => {
  await stage.write({ "bad.toml": 'concurrency = "many"\nlease = -1\ncolour = "red"\n' });
  const one = await findings("--config", "bad.toml");
  assert.deepEqual([one.code, one.ok], [2, false]);
  assert.match(problemsOf(one.findings).join("\n"), /settings: bad\.toml: unknown key .*colour/);
  const two = await findings("--concurrency", "many", "--lease", "soon");
  assert.equal(two.code, 2);
  assert.match(problemsOf(two.findings).join("\n"), /--concurrency[\s\S]*--lease/);
});

test("all handler files are looked at, and each problem has its advice", SLOW, async () => {
  await stage.write({
    "mixed/good.ts": GOOD,
    "mixed/throws.ts": 'throw new Error("no key in the environment");\n',
    "mixed/nothing.ts": "export const a = 1;\n",
    "mixed/again.ts": GOOD,
  });
  const { code, findings: all } = await findings("--tasks", "mixed", "--tasks", "gone");
  const problems = problemsOf(all).join("\n");
  assert.equal(code, 2);
  assert.match(problems, /handlers: .*gone: no such file or folder/);
  assert.match(problems, /handlers: .*throws\.ts: .*no key in the environment/);
  assert.match(problems, /handlers: .*nothing\.ts: it exports no task definition/);
  assert.match(problems, /handlers: .*the type "good" is defined/);
  for (const { verdict, part, advice } of all) {
    if (verdict === "problem" && part === "handlers") assert.ok(advice);
  }
  const { stdout } = await check("--tasks", "mixed");
  assert.match(stdout, /^problem {2}handlers {2}.*nothing\.ts: .*\n {18} -> export default defineTask/m);
});

test("a file that ends the process, or lets go of an error, while it is imported is told", SLOW, async () => {
  await stage.write({
    "exits.ts": `${GOOD}process.exit(0);\n`,
    "strays.ts": `${GOOD}void Promise.reject(new Error("let go"));\n`,
  });
  const exits = await check("--tasks", "exits.ts");
  assert.equal(exits.code, 2);
  assert.match(exits.stderr, /process\.exit\(0\) was called while .*exits\.ts was imported/);
  const strays = await findings("--tasks", "strays.ts");
  assert.equal(strays.code, 2);
  assert.match(problemsOf(strays.findings).join("\n"), /nobody caught, while .*strays\.ts was imported: let go/);
});

test("a server that does not answer is a problem, unless it is not to be asked", SLOW, async () => {
  const address = "redis://user:s3cret@127.0.0.1:1/0";
  const asked = await findings("--broker", address);
  assert.equal(asked.code, 2);
  assert.match(problemsOf(asked.findings).join("\n"), /^broker: .*127\.0\.0\.1:1/);
  const notAsked = await findings("--broker", address, "--offline");
  assert.equal(notAsked.code, 0);
  assert.ok(!JSON.stringify([asked, notAsked]).includes("s3cret"));
  const redis = await stage.redis();
  const answered = await check("--broker", redis.url);
  assert.equal(answered.code, 0);
  assert.match(answered.stdout, /ok {7}broker {4}redis:.* answers\n/);
});

test("a broker's file that is none, and a token that cannot be read, are told", SLOW, async () => {
  await stage.write({ "folder/x": "", "token.toml": 'token_file = "no-token"\n' });
  const folder = await findings("--broker", "sqlite:folder");
  assert.match(problemsOf(folder.findings).join("\n"), /^broker: .*folder is no file/);
  const token = await findings("--config", "token.toml");
  assert.equal(token.code, 2);
  assert.match(problemsOf(token.findings).join("\n"), /^token: .*no-token/);
});

test("tables that name what is not there are told with their place", SLOW, async () => {
  await stage.write({
    "plain.txt": "",
    "empty-secret": "\n",
    "tables.toml": `
[worker.py]
command = ["no-such-program-at-all", "x"]
[worker.here]
command = ["sh"]
cwd = "no-folder"
[exec.convert]
command = ["./plain.txt", "{input}"]
[http.hook]
url = "http://127.0.0.1:9/secret-path"
secret_file = "empty-secret"
`,
  });
  chmodSync(stage.path("plain.txt"), 0o644);
  const { code, findings: all } = await findings("--config", "tables.toml");
  const problems = problemsOf(all).join("\n");
  assert.equal(code, 2);
  assert.match(problems, /tables: .*\[worker\.py\]: there is no program no-such-program-at-all in PATH/);
  assert.match(problems, /tables: .*\[worker\.here\]: there is no folder .*no-folder/);
  assert.match(problems, /tables: .*\[exec\.convert\]: there is no program .*plain\.txt/);
  assert.match(problems, /tables: .*\[http\.hook\]: the file .*empty-secret holds no secret/);
  assert.ok(!JSON.stringify(all).includes("secret-path"));
});

test("what `taskexe new` writes passes", SLOW, async () => {
  await stage.run(["new", "fresh"], { program: await executable() });
  const { code, stdout } = await stage.run(["check", "--config", "taskexe.toml"], {
    program: await executable(),
    cwd: stage.path("fresh"),
  });
  assert.equal(code, 0, stdout);
  assert.match(stdout, /handlers {2}greet: .*tasks\/greet\.ts/);
});
