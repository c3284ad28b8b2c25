/** Lists of any length: all of it, in pieces that go on where the one before ended, and as long as somebody reads. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { createBroker } from "../../src/broker/drivers.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { requestOf } from "../stage/outcomes.ts";
import { type RedisServer, startRedis } from "../stage/redis/server.ts";
import { Stage } from "../stage/stage.ts";

const COUNT = 11_000;
const stage = Stage.make();
let server: RedisServer;
const addresses: Readonly<Record<string, () => string>> = {
  redis: () => server.url,
  sqlite: () => `sqlite:${stage.folder}/long.db`,
};
const EXPECTED = Array.from({ length: COUNT }, (_, index) => `l${index}`);

before(async () => {
  server = await startRedis();
  for (const address of Object.values(addresses)) {
    const broker = await createBroker(address(), { executor: null, queues: ["common"], leaseMs: 30_000 });
    await broker.open(openRoot().signal);
    for (let at = 0; at < COUNT; at += 1_000) {
      await broker.enqueue(
        EXPECTED.slice(at, at + 1_000).map((id) => ({ ...requestOf(id, "long", {}), retentionMs: 0 })),
      );
    }
    await broker.close();
  }
});

after(async () => {
  await server.stop();
  await stage.end();
});

interface Listed {
  readonly tasks: readonly { readonly id: string }[];
  readonly more: boolean;
  readonly cursor: string | null;
  readonly next_cursor: string | null;
}

for (const [kind, address] of Object.entries(addresses)) {
  const list = (...given: string[]) => stage.run(["list", "--broker", address(), ...given]);

  test(`over ${kind} list --all goes on past 10 000, as a table and as one JSON document`, async () => {
    const table = await list("--all");
    const [head, ...rows] = table.stdout.trimEnd().split("\n");
    assert.match(head ?? "", /^id +type +state/);
    assert.deepEqual(
      rows.map((row) => row.split(/ +/)[0]),
      EXPECTED,
    );
    assert.deepEqual([table.stderr, table.code], ["", 0]);
    const { stdout } = await list("--all", "--json");
    const { tasks, more, next_cursor }: Listed = JSON.parse(stdout);
    assert.deepEqual(
      tasks.map(({ id }) => id),
      EXPECTED,
    );
    assert.deepEqual({ more, next_cursor }, { more: false, next_cursor: null });
    assert.equal(stdout, `${JSON.stringify(JSON.parse(stdout), null, 2)}\n`);
  });

  test(`over ${kind} a list that ends at its limit names the cursor where the next one goes on`, async () => {
    const first: Listed = JSON.parse((await list("--limit", "10500", "--json")).stdout);
    assert.equal(first.more, true);
    assert.equal(first.cursor, first.next_cursor);
    assert.ok(first.next_cursor);
    const table = await list("--type", "long", "--limit", "5");
    const [, cursor] = /there are more; --cursor (\S+) goes on/.exec(table.stderr) ?? [];
    assert.ok(cursor);
    const second: Listed = JSON.parse((await list("--cursor", first.next_cursor, "--all", "--json")).stdout);
    assert.deepEqual(
      [...first.tasks, ...second.tasks].map(({ id }) => id),
      EXPECTED,
    );
    const { stdout } = await list("--type", "long", "--cursor", cursor, "--limit", "1");
    assert.match(stdout, /\nl5 /);
    assert.match((await list("--type", "none", "--all", "--json")).stdout, /^\{\n {2}"tasks": \[\],\n/);
  });
}

test("a list ends quietly where nobody reads on", async () => {
  const running = stage.start(["list", "--broker", addresses.redis?.() ?? "", "--all"]);
  const { stdout } = running.process;
  assert.ok(stdout);
  await once(stdout, "data");
  stdout.destroy();
  assert.equal((await running.ended).stderr, "");
});
