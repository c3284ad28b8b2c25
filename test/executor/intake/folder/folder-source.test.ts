/**
 * A folder as a source, on the executable with both brokers: a JSON file that is moved in becomes a task, once, whoever
 * is killed in the middle. What can be no task ends as dead; what is no plain file of somebody who may is never read.
 * @long about 45 s
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmod, chown, link, mkdir, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import type { Broker } from "../../../../src/broker/broker.ts";
import type { ListedTask } from "../../../../src/task/record/listed-task.ts";
import type { ExecutorProcess } from "../../../stage/executor.ts";
import { allListed, doneWith } from "../../../stage/listed.ts";
import { builtOnce } from "../../../stage/programs.ts";
import { SLOW, Stage } from "../../../stage/stage.ts";
import { recordOnce, until, untilBy } from "../../../stage/until.ts";

/** How long a claim waits for its executor, with what a busy machine takes. */
const ORPHAN_LIMIT_MS = 60_000;

for (const kind of ["redis", "sqlite"] as const) {
  describe(`a folder as a source on ${kind}`, () => {
    let stage: Stage;
    let url: string;
    let client: Broker;
    const built = builtOnce(() => stage.path("taskexe"));

    before(async () => {
      stage = Stage.make();
      url = kind === "redis" ? (await stage.redis()).url : `sqlite:${stage.path("queue.db")}`;
      client = await stage.client(url);
    }, SLOW);
    after(() => stage.end());

    /** Each test has a folder of its own; `inbox` below. */
    let inbox = "";
    const useFolder = async (name: string, isThere = true): Promise<void> => {
      inbox = name;
      if (isThere) await mkdir(stage.path(name));
      await stage.write({ [`${name}.toml`]: `[source.inbox]\nkind = "folder"\nfolder = "${name}"\ntype = "echo"\n` });
    };
    const start = async (name: string): Promise<ExecutorProcess> => {
      const args = ["--config", stage.path(`${inbox}.toml`)];
      const more = { lease: "1s", grace: "300ms", concurrency: 20, args };
      return stage.executor({
        broker: url,
        name,
        program: await built(),
        folder: stage.path(`state-${name}`),
        ...more,
      });
    };
    /** As a shell script does it: whole, under another name, and then moved. */
    const put = async (name: string, text: string | Uint8Array): Promise<void> => {
      await writeFile(stage.path(`${inbox}/.${name}`), text);
      await rename(stage.path(`${inbox}/.${name}`), stage.path(`${inbox}/${name}`));
    };
    const deadWith = async (text: RegExp): Promise<ListedTask | undefined> =>
      (await allListed(client, "dead")).find(({ message }) => text.test(message));
    const figures = async (executor: ExecutorProcess) => (await executor.status()).sources?.[0];
    const isEmpty = async (): Promise<boolean> =>
      (await readdir(stage.path(inbox))).filter((name) => name !== ".taskexe").length === 0 &&
      (await readdir(stage.path(`${inbox}/.taskexe`))).join() === "refused";

    test("a folder that is not there is told, and used once it is", SLOW, async () => {
      await useFolder("late", false);
      const executor = await start("early");
      await untilBy(executor, "it is told", async () => {
        return (await figures(executor))?.problem === `there is no folder ${stage.path(inbox)}`;
      });
      await mkdir(stage.path(inbox));
      await put("first.json", '"first"');
      await untilBy(executor, "the file is a task", () => doneWith(client, "first"));
      await untilBy(executor, "all is well", async () => (await figures(executor))?.problem === null);
      await executor.end();
    });

    test("a file is a payload, or a message of its own; what is no task is dead, with its text", SLOW, async () => {
      await useFolder("texts");
      const executor = await start("one");
      await put("payload.json", '\ufeff{\n  "to": "ä/b",\n  "n": 12345678901234567890\n}\n');
      await put("own.json", '{"id": "own",\n"task_type": "echo", "payload": 7}');
      await put("given.json", '{"task_type": "echo", "n": 1}');
      await put("broken.json", "{broken");
      await put("latin.json", Buffer.from('"caf\xe9"', "latin1"));
      await put("left.txt", '"left alone"');
      assert.equal((await recordOnce("done", executor, client, "own")).result, 7);
      const whole = await untilBy(executor, "the payload", async () =>
        (await allListed(client, "done")).find(({ message }) => message.includes("12345678901234567890")),
      );
      assert.match(whole.id, /^inbox-[0-9a-f]{32}$/);
      const given = await untilBy(executor, "one has an id", async () =>
        (await allListed(client, "done")).find(({ result }) => (result as { n?: number } | null)?.n === 1),
      );
      assert.deepEqual(given.result, { id: given.id, task_type: "echo", n: 1 });
      const dead = await untilBy(executor, "one is dead", () => deadWith(/^\{broken$/));
      assert.match(dead.reason ?? "", /the message is not JSON/);
      await untilBy(executor, "what is no UTF-8 is dead", () => deadWith(/^"caf\ufffd"/));
      const said = await figures(executor);
      assert.deepEqual([said?.kind, said?.key, said?.held, said?.problem], ["folder", stage.path(inbox), true, null]);
      assert.deepEqual([said?.moved, said?.bad], [5, 2]);
      await rm(stage.path(`${inbox}/left.txt`));
      await until("nothing is left", 30_000, isEmpty);
      await executor.end();
    });

    test("what is no plain file of somebody who may is refused unread, kept apart, and dead", SLOW, async () => {
      await useFolder("refused");
      const executor = await start("wary");
      await writeFile(stage.path("secret"), '"a secret"');
      await symlink(stage.path("secret"), stage.path(`${inbox}/link.json`));
      await link(stage.path("secret"), stage.path(`${inbox}/hard.json`));
      await mkdir(stage.path(`${inbox}/folder.json`));
      assert.equal(spawnSync("mkfifo", [stage.path(`${inbox}/pipe.json`)]).status, 0);
      await put("huge.json", Buffer.alloc(5 * 1024 * 1024, "1"));
      const wanted = [
        /^link\.json is refused: it is a link\. It stands in .*\/\.taskexe\/refused\/inbox-/,
        /^hard\.json is refused: it has another name elsewhere/,
        /^folder\.json is refused: it is a folder/,
        /^pipe\.json is refused: it is a pipe/,
        /^huge\.json is refused: it has 5242880 bytes; at most 4194304 are read/,
      ];
      if (process.geteuid?.() === 0) {
        await chmod(stage.path(inbox), 0o777);
        await writeFile(stage.path(`${inbox}/.other`), '"of another user"');
        await chown(stage.path(`${inbox}/.other`), 12_345, 12_345);
        await rename(stage.path(`${inbox}/.other`), stage.path(`${inbox}/other.json`));
        wanted.push(/^other\.json is refused: it belongs to user 12345, and every user may write to the folder/);
      }
      for (const text of wanted) await untilBy(executor, `dead: ${text}`, () => deadWith(text));
      await chmod(stage.path(inbox), 0o755);
      assert.equal((await readdir(stage.path(`${inbox}/.taskexe/refused`))).length, wanted.length);
      for (const state of ["done", "dead"] as const) {
        for (const { message } of await allListed(client, state)) assert.ok(!message.includes("a secret"), message);
      }
      await until("nothing is left", 30_000, isEmpty);
      await executor.end();
    });

    test("claims of a dead executor are taken over, and what it had enqueued comes once", SLOW, async () => {
      await useFolder("claims");
      const executor = await start("heir");
      await put("before.json", '"before"');
      const { id } = await untilBy(executor, "it is done", () => doneWith(client, "before"));
      // Killed behind the enqueue, and before it.
      await stage.write({
        [`${inbox}/.taskexe/${id}~0~before.json`]: '"before"',
        [`${inbox}/.taskexe/inbox-left~3~x.json`]: '"left behind"',
      });
      await until(
        "both are taken over",
        ORPHAN_LIMIT_MS,
        async () => (await doneWith(client, "left behind")) && isEmpty(),
      );
      assert.equal((await client.record("inbox-left"))?.state, "done");
      assert.equal((await allListed(client, "done")).filter(({ result }) => result === "before").length, 1);
      await executor.end();
    });

    test("nothing is lost or doubled while executors are killed again and again", SLOW, async () => {
      await useFolder("storm");
      const count = 600;
      let executors = [await start("storm-a"), await start("storm-b")];
      for (let n = 0; n < count; n++) {
        await put(`${String(n).padStart(4, "0")}.json`, `{"storm":${n}}`);
        if (n % 150 !== 149) continue;
        const [killed, ...rest] = executors;
        killed?.kill("SIGKILL");
        await killed?.ended;
        executors = [...rest, await start(`storm-${n}`)];
      }
      const numbers = async () =>
        (await allListed(client, "done"))
          .map(({ result }) => (result as { storm?: number } | null)?.storm)
          .filter((n) => n !== undefined);
      await until("all are done", ORPHAN_LIMIT_MS, async () => new Set(await numbers()).size === count);
      await until("nothing is left", ORPHAN_LIMIT_MS, isEmpty);
      assert.equal((await numbers()).length, count, "none came twice");
      for (const executor of executors) await executor.end();
    });

    test("an idle executor is told of a file, and does not wait for its next look", SLOW, async () => {
      await useFolder("idle");
      const executor = await start("idle");
      const waits: number[] = [];
      for (let n = 0; n < 11; n++) {
        await put(`idle-${n}.json`, `{"idle":${n}}`);
        const since = performance.now();
        // The file is away as soon as it is claimed.
        await until(
          "it is claimed",
          30_000,
          async () => !(await readdir(stage.path(inbox))).includes(`idle-${n}.json`),
        );
        waits.push(performance.now() - since);
      }
      waits.sort((a, b) => a - b);
      // A look comes once a second: without the system's word a half of them would take longer than this.
      assert.ok((waits[5] ?? 0) < 300, `p50 ${waits[5]} ms`);
      await untilBy(executor, "all are done", () => doneWith(client, { idle: 10 }));
      await executor.end();
    });

    test("a folder of claims that is not ours alone is not used, and told", SLOW, async () => {
      await useFolder("astray");
      await symlink(stage.folder, stage.path(`${inbox}/.taskexe`));
      const executor = await start("led-astray");
      await put("kept.json", '"kept"');
      await untilBy(executor, "it is told", async () => {
        return /\.taskexe is no folder but a link/.test((await figures(executor))?.problem ?? "");
      });
      assert.ok((await readdir(stage.path(inbox))).includes("kept.json"));
      await rm(stage.path(`${inbox}/.taskexe`));
      await untilBy(executor, "the file is a task", () => doneWith(client, "kept"));
      await executor.end();
    });

    test("check says whether the folder is there, and what a table needs", SLOW, async () => {
      await useFolder("in");
      const check = async (table: string) => {
        await stage.write({ "check.toml": `[source.a]\n${table}` });
        const { stdout } = await stage.run([
          "check",
          "--offline",
          "--broker",
          url,
          "--config",
          stage.path("check.toml"),
        ]);
        return stdout;
      };
      assert.match(await check('kind = "folder"\nfolder = "in"\n'), /the folder \S+\/in, default in common/);
      assert.match(await check('kind = "folder"\nfolder = "none"\n'), /\[source\.a\]: .*none/);
      assert.match(await check('kind = "folder"\n'), /\[source\.a\]: folder is missing/);
      assert.match(await check('kind = "folder"\nfolder = "in"\nkey = "k"\n'), /key: a folder has none, but a folder/);
      assert.match(await check('kind = "list"\nkey = "k"\nfolder = "in"\n'), /folder: a list has none, but a key/);
      assert.match(await check('kind = "folder"\nfolder = "in"\norder = "left"\n'), /order: a folder has none/);
    });
  });
}
