/** No password of an address, however it was mistyped, stands in what is said about it. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { createBroker } from "../../src/broker/drivers.ts";
import { keepSecretsOf, redact, shownName, shownValue } from "../../src/config/redact.ts";
import { readSettings } from "../../src/config/settings.ts";
import { quickEnough } from "../stage/quick-enough.ts";

const folder = mkdtempSync(join(tmpdir(), "taskexe-secrets-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Ways to write an address, right or nearly right. */
const FORMS: readonly ((password: string) => string)[] = [
  (p) => `redis://:${p}@h`,
  (p) => `redis://u:${p}@h:6379/1`,
  (p) => `redis:/:${p}@h`,
  (p) => `redis:${p}@h`,
  (p) => `redis//:${p}@h`,
  (p) => `:${p}@h:6379`,
  (p) => `u:${p}@h:6379`,
  (p) => `//:${p}@h`,
  (p) => `redis://:${p}@h/x`,
  (p) => `redis://:${p}@h:99999/1`,
  (p) => `redis://:${p}@`,
  (p) => `redis://:${p}`,
  (p) => `redis://h/1?password=${p}`,
  (p) => `rediss://u:${p}@h?insecure=2`,
  (p) => `rediss://u:${p}@h?ca=/no/such/file`,
  (p) => `unix:///no/redis.sock?password=${p}&db=x`,
  (p) => `unix:///:${p}@/no/redis.sock`,
  (p) => `unix://u:${p}@/no/redis.sock`,
  (p) => `sqlite://:${p}@h`,
  (p) => `sqlite:redis://:${p}@h`,
  (p) => `REDIS://:${p}@h/0x1`,
  (p) => `valkey://:${p}@h`,
  (p) => `http://u:${p}@h:6379`,
  (p) => ` redis://:${p}@h`,
];

/** At least six characters, and some that mean something in an address, so that no text of ours has it by chance. */
const password = fc
  .string({
    unit: fc.constantFrom(..."abcXYZ019:/@?#%&=+ '\"\\[]{}<>$!^~,;.|é世".split("")),
    minLength: 6,
    maxLength: 24,
  })
  .map((text) => `Q${text}q`);
const typed = fc.tuple(password, fc.constantFrom(...FORMS), fc.boolean());

test("an address is refused without any password, by settings and by a client", async () => {
  await fc.assert(
    fc.asyncProperty(typed, async ([secret, form, isEncoded]) => {
      const address = form(isEncoded ? encodeURIComponent(secret) : secret);
      for (const said of [await saidBySettings(address), await saidByBroker(address)]) {
        assert.ok(!said.includes(secret) && !said.includes(encodeURIComponent(secret)), `${address}: ${said}`);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("a wrong line of the configuration file is told without what stands in it", () => {
  const path = join(folder, "wrong.toml");
  fc.assert(
    fc.property(typed, fc.nat(4), ([secret, form], kind) => {
      const address = form(secret);
      const json = JSON.stringify(address);
      writeFileSync(
        path,
        [`broker = ${address}`, `broker: ${json}`, `${json} = 1`, `broker = [${json}]`, `broker_file = {a = ${json}}`][
          kind
        ] ?? "",
      );
      const said = attempt(() => readSettings({}, { HOME: "/h", TASKEXE_CONFIG: path }));
      assert.ok(!said.includes(secret), said);
    }),
    { numRuns: 500 },
  );
});

test("once an address was read, its password is taken out of every text, with blanks in it too", () => {
  fc.assert(
    fc.property(password, (secret) => {
      keepSecretsOf(`redis://u:${encodeURIComponent(secret)}@h`);
      for (const text of [secret, `AUTH u ${secret} failed`, `x${encodeURIComponent(secret)}y`]) {
        assert.ok(!redact(text).includes(secret), redact(text));
      }
    }),
  );
  keepSecretsOf("redis://:SEC RET@h/x");
  assert.equal(redact("connecting with redis://:SEC RET@h/x: SEC RET"), "connecting with redis://***@h/x: ***");
});

test("a refused value is shown where it can hold no secret", () => {
  for (const [value, shown] of [
    ["zero", '"zero"'],
    ["redis://127.0.0.1:99999/1", '"redis://127.0.0.1:99999/1"'],
    ["localhost:6379", '"localhost:6379"'],
    ["/etc/taskexe/tasks,b c", '"/etc/taskexe/tasks,b c"'],
    [["a", 1], '["a",1]'],
    ["redis:/:s3cret@h", '"***@h" (not shown whole, since it may hold a password)'],
    ["redis://:SEC RET@h/x", '"redis://***" (not shown whole, since it may hold a password)'],
    [["redis://:s3cret@h"], '"***" (not shown whole, since it may hold a password)'],
  ] as const) {
    assert.equal(shownValue(value), shown);
  }
  assert.equal(shownName("brokr"), "brokr");
  assert.equal(shownName(":s3cret@h"), '"***@h" (not shown whole, since it may hold a password)');
});

test("what looks like an address for long is looked through in no time", async () => {
  await quickEnough("looking through it", 4_000, async () => {
    const startedAt = performance.now();
    for (const piece of ["redis:", ":x,", "a:b", "x://"]) redact(`${piece.repeat(30_000)}@`);
    return performance.now() - startedAt;
  });
});

async function saidBySettings(broker: string): Promise<string> {
  return attempt(() => readSettings({ broker }, { HOME: "/h" }));
}

async function saidByBroker(address: string): Promise<string> {
  try {
    const broker = await createBroker(address, { executor: null, queues: ["common"], leaseMs: 1_000 });
    await broker.close();
    // What logs and /status show.
    return broker.url.startsWith("sqlite:") ? "" : broker.url;
  } catch (error) {
    return told(error);
  }
}

function attempt(read: () => { readonly warnings: readonly string[] }): string {
  try {
    return read().warnings.join("\n");
  } catch (error) {
    return told(error);
  }
}

function told(error: unknown): string {
  return error instanceof Error ? `${error.message} ${error.stack} ${String(error.cause)}` : String(error);
}
