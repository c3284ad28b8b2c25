/**
 * SIGHUP loads settings and handlers anew, on every runtime: what runs ends with the code that it began with, what
 * comes runs with the new one, and what cannot be loaded changes nothing and is told.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { drained } from "../../stage/executor.ts";
import { requestOf } from "../../stage/outcomes.ts";
import { builtOnce, ON_BUN, ON_DENO, ON_NODE } from "../../stage/programs.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce, untilBy } from "../../stage/until.ts";

/** Tells its version, at once or when its gate is there. */
const handlers = (version: number, types: readonly string[]): string => `import { existsSync } from "node:fs";
import { defineTask, sleep } from "taskexe";
import { shared } from "./_shared.ts";
const run = async ({ payload, signal }) => {
  while (payload !== null && !existsSync(payload as string)) await sleep(10, signal);
  return ${version} + shared;
};
${types.map((type, index) => `export const t${index} = defineTask({ type: "${type}", run });`).join("\n")}
`;

const loaded = (generation: number): RegExp => new RegExp(`generation ${generation} is in charge`);

describe("SIGHUP", () => {
  let stage: Stage;
  before(() => {
    stage = Stage.make();
  });
  after(() => stage.end());

  const theExecutable = builtOnce(() => join(stage.folder, "bin/taskexe"));

  const PROGRAMS: Readonly<Record<string, () => Promise<[string, ...string[]]>>> = {
    "the executable": theExecutable,
    Bun: async () => ON_BUN,
    "Node.js": async () => ON_NODE,
    Deno: async () => ON_DENO,
  };

  for (const [name, programOf] of Object.entries(PROGRAMS)) {
    test(`loads handlers anew, and what they import; what runs ends as it began: ${name}`, SLOW, async () => {
      const folder = `on-${name.replace(/\W/g, "")}`;
      const write = (version: number, types: readonly string[], shared: number) =>
        stage.write({
          [`${folder}/handlers.ts`]: handlers(version, types),
          [`${folder}/_shared.ts`]: `export const shared: number = ${shared};\n`,
        });
      const tasks = await write(1, ["kept", "gone"], 0);
      const broker = `sqlite:${stage.path(`${folder}.db`)}`;
      const args = ["--isolation", "shared"];
      const executor = await stage.executor({ broker, program: await programOf(), tasks, args });
      const client = await stage.client(broker);
      const gate = stage.path(`${folder}.gate`);
      await client.enqueue([requestOf("running", "gone", gate)]);
      await untilBy(executor, "it runs", async () => (await executor.busySlots()) === 1);

      await write(2, ["kept", "new"], 0.5);
      executor.kill("SIGHUP");
      await executor.says(loaded(2));
      await client.enqueue([requestOf("second", "kept", null), requestOf("first", "new", null)]);
      assert.equal((await recordOnce("done", executor, client, "second")).result, 2.5);
      assert.equal((await recordOnce("done", executor, client, "first")).result, 2.5);
      await client.enqueue([requestOf("unknown", "gone", null)]);
      await recordOnce("retrying", executor, client, "unknown");

      await stage.write({ [`${folder}.gate`]: "" });
      assert.equal((await recordOnce("done", executor, client, "running")).result, 1);
      await untilBy(executor, "the first generation has left", async () => {
        return (await executor.status()).runners?.processes.every(({ generation }) => generation === 2) === true;
      });
      assert.equal(await drained(executor), 0, executor.output());
    });

    test(`keeps the code that is there where a file has an error, and says where: ${name}`, SLOW, async () => {
      const folder = `broken-on-${name.replace(/\W/g, "")}`;
      const good =
        'import { defineTask } from "taskexe";\nexport default defineTask({ type: "good", run: () => 1 });\n';
      const tasks = await stage.write({ [`${folder}/good.ts`]: good });
      const broker = `sqlite:${stage.path(`${folder}.db`)}`;
      const args = ["--isolation", "shared"];
      const executor = await stage.executor({ broker, program: await programOf(), tasks, args });
      const client = await stage.client(broker);
      await stage.write({ [`${folder}/good.ts`]: `${good}export const = 2;\n` });
      executor.kill("SIGHUP");
      await executor.says(/the reload has failed, and generation 1 goes on: [\s\S]*good\.ts/);
      const { runners } = await executor.status();
      assert.deepEqual([runners?.generation, runners?.reload?.state], [1, "failed"]);
      assert.match(runners?.reload?.reason ?? "", /good\.ts: [\s\S]*3[:\d]*/);
      assert.equal((await executor.get("/readyz")).code, 200);
      await client.enqueue([requestOf("after", "good", null)]);
      assert.equal((await recordOnce("done", executor, client, "after")).result, 1);
      const { stdout } = await stage.run(["status", "--url", executor.url]);
      assert.match(stdout, /reload failed[^\n]*:[\s\S]*good\.ts/);
      await stage.write({ [`${folder}/good.ts`]: good.replace("=> 1", "=> 3") });
      executor.kill("SIGHUP");
      await executor.says(loaded(2));
      assert.equal((await executor.status()).runners?.reload, null);
      await client.enqueue([requestOf("mended", "good", null)]);
      assert.equal((await recordOnce("done", executor, client, "mended")).result, 3);
      assert.equal(await drained(executor), 0, executor.output());
    });
  }

  test("takes settings and tables over, and names those that need a restart", SLOW, async () => {
    const file = stage.path("settings/taskexe.toml");
    const broker = `sqlite:${stage.path("settings.db")}`;
    const writeFile = (text: string) => stage.write({ "settings/taskexe.toml": `${text}\nqueues = ["common"]\n` });
    await writeFile("concurrency = 1");
    const args = ["--config", file];
    const executor = await stage.executor({ broker, program: await theExecutable(), args });
    const client = await stage.client(broker);
    await client.enqueue(["a", "b", "c"].map((id) => requestOf(id, "sleep", { ms: 600_000 })));
    await untilBy(executor, "one runs", async () => (await executor.busySlots()) === 1);
    await stage.write({
      "settings/taskexe.toml":
        'concurrency = 4\nlog = "json"\nlease = "20s"\nqueues = ["common", "other"]\n' +
        '[exec.told]\ncommand = ["echo", "7"]\n',
    });
    executor.kill("SIGHUP");
    const [, taken] = await executor.says(
      /generation 2 is in charge: handlers [\w,]*told[\w,]*; taken over: ([^"\n]*)"/,
    );
    assert.equal(taken, "concurrency, log, tables of handlers");
    const [, kept] = await executor.says(/a restart is needed for: ([^;]*); until then/);
    assert.equal(kept, "queues, lease");
    await client.enqueue([requestOf("told", "told", null)]);
    assert.equal((await recordOnce("done", executor, client, "told")).result, 7);
    await untilBy(executor, "all three run", async () => (await executor.busySlots()) === 3);
    assert.equal((await executor.status()).concurrency, 4);

    await stage.write({ "settings/taskexe.toml": "concurrency = 0\n" });
    executor.kill("SIGHUP");
    await executor.says(/the reload has failed, and generation 2 goes on: [^"]*taskexe.toml:concurrency: expected/);
    await client.cancel(["a", "b", "c"]);
    for (const id of ["a", "b", "c"]) await recordOnce("cancelled", executor, client, id);
    assert.equal(await drained(executor), 0, executor.output());
  });

  test("loads handlers of the executor itself anew, too, with what they import", SLOW, async () => {
    const write = (own: number, shared: number) =>
      stage.write({
        "inline/handlers.ts": handlers(own, ["kept"]),
        "inline/_shared.ts": `export const shared = ${shared};\n`,
      });
    const tasks = await write(1, 0);
    const broker = `sqlite:${stage.path("inline.db")}`;
    const args = ["--isolation", "inline"];
    const executor = await stage.executor({ broker, program: await theExecutable(), tasks, args });
    const client = await stage.client(broker);
    for (const [generation, id] of [
      [2, "second"],
      [3, "third"],
    ] as const) {
      await write(generation, 0.5);
      executor.kill("SIGHUP");
      await executor.says(loaded(generation));
      await client.enqueue([requestOf(id, "kept", null)]);
      assert.equal((await recordOnce("done", executor, client, id)).result, generation + 0.5);
    }
    assert.equal(await drained(executor), 0, executor.output());
  });

  test("waits while the executor starts, does nothing while it drains, and several become one", SLOW, async () => {
    const tasks = await stage.write({
      "slow-start/gated.ts": handlers(1, ["gated"]).replace(
        "const run",
        `while (!existsSync(${JSON.stringify(stage.path("start.gate"))})) await sleep(10);\nconst run`,
      ),
      "slow-start/_shared.ts": "export const shared = 0;\n",
    });
    const broker = `sqlite:${stage.path("slow-start.db")}`;
    const args = ["--isolation", "shared"];
    const program = await theExecutable();
    const executor = await stage.executor({ broker, program, tasks, args, ready: false });
    for (let n = 0; n < 5; n++) executor.kill("SIGHUP");
    assert.equal((await executor.get("/readyz")).code, 503);
    await stage.write({ "start.gate": "" });
    await executor.says(loaded(2));
    const client = await stage.client(broker);
    await client.enqueue([requestOf("gated", "gated", stage.path("end.gate"))]);
    await untilBy(executor, "it runs", async () => (await executor.busySlots()) === 1);
    assert.equal((await executor.status()).runners?.generation, 2);
    executor.kill("SIGTERM");
    await executor.says(/Draining: SIGTERM/);
    for (let n = 0; n < 3; n++) executor.kill("SIGHUP");
    await executor.says(/SIGHUP: the executor leaves, and nothing is reloaded/);
    await stage.write({ "end.gate": "" });
    assert.deepEqual(await executor.exit, { code: 0, signal: null }, executor.output());
    assert.equal((await client.record("gated"))?.state, "done");
  });
});
