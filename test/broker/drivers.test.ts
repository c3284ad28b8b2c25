/** A driver of a test's own: its folder, and one line. All that the program asks of an address then goes to it. */
import assert from "node:assert/strict";
import { resolve } from "node:path";
import { after, before, test } from "node:test";
import * as v from "valibot";
import type { BrokerOptions } from "../../src/broker/broker.ts";
import type { Driver } from "../../src/broker/driver.ts";
import {
  addressForms,
  addressFrom,
  addressProblem,
  advise,
  BrokerUrlError,
  createBroker,
  embeddedAddress,
  fileOf,
  isConflict,
  placeOf,
  registerDriver,
  schemes,
  wholeAddress,
} from "../../src/broker/drivers.ts";
import { describe } from "../../src/cli/output/report-failure.ts";
import { readBrokerFile } from "../../src/config/broker-file.ts";
import { SettingsSchema } from "../../src/config/schema.ts";
import { Stage } from "../stage/stage.ts";

const OPTIONS: BrokerOptions = { executor: null, queues: ["common"], leaseMs: 1_000 };

class ThirdError extends Error {
  override readonly name = "ThirdError";
}

/** Keeps its tasks in a folder. Its broker is that of a file in there: what matters here is who asks for it. */
const third: Driver = {
  name: "third",
  schemes: ["third:"],
  secretSchemes: [],
  pathSchemes: ["third:"],
  beginnings: ["third:"],
  forms: ["third:FOLDER"],
  problem: (address) => (address.length > "third:".length ? null : "third:FOLDER"),
  fileOf: (address) => resolve(address.slice("third:".length)),
  from: (address, folder) => `third:${resolve(folder, address.slice("third:".length))}`,
  embedded: (path) => `third:${path}`,
  placeOf: (url) => url.toLowerCase(),
  advise: (error) => (error instanceof ThirdError ? ["the third one refused", "  ask it again"] : null),
  isConflict: (error) => error instanceof ThirdError,
  create: (address, options) => createBroker(`sqlite:${address.slice("third:".length)}/tasks.db`, options),
};

let forget = (): void => undefined;
before(() => {
  forget = registerDriver(third);
});
after(() => forget());

test("its addresses are settings, and its form stands among those that can be", () => {
  assert.equal(addressProblem("third:/tmp/a"), null);
  assert.equal(addressProblem("third:"), "third:FOLDER");
  assert.match(addressForms(), / or third:FOLDER$/);
  assert.match(addressProblem("fourth:/tmp/a") ?? "", / or third:FOLDER$/);
  assert.equal(v.is(SettingsSchema.entries.broker, "third:/tmp/a"), true);
  assert.equal(v.is(SettingsSchema.entries.broker, "fourth:/tmp/a"), false);
  assert.ok(schemes().includes("third:"));
  assert.ok(!schemes("secretSchemes").includes("third:"));
});

test("its paths count from the folder of the file that names them, and are made whole", async () => {
  await Stage.with(async (stage) => {
    await stage.write({ broker: "third:queue\n" });
    assert.equal(readBrokerFile(stage.path("broker"), "a flag").address, `third:${stage.path("queue")}`);
  });
  assert.equal(addressFrom("third:a", "/srv"), "third:/srv/a");
  assert.equal(fileOf("third:/srv/a"), "/srv/a");
  assert.equal(wholeAddress("third:a"), `third:${resolve("a")}`);
  assert.equal(placeOf("third:/A"), placeOf("third:/a"));
});

test("its broker is made, and its errors are told in its words", async () => {
  await Stage.with(async (stage) => {
    const broker = await createBroker(`third:${stage.path("queue")}`, OPTIONS);
    await broker.open(AbortSignal.timeout(10_000));
    try {
      assert.deepEqual(await broker.paused(), []);
    } finally {
      await broker.close();
    }
  });
  assert.deepEqual(describe(new ThirdError("no")), ["the third one refused", "  ask it again"]);
  assert.equal(isConflict(new ThirdError("no")), true);
  assert.equal(advise(new Error("no")), null);
});

test("those that were there before stay as they are", async () => {
  assert.equal(embeddedAddress("/tmp/a.db"), "sqlite:/tmp/a.db");
  assert.equal(wholeAddress("redis://localhost:6379/1"), "redis://localhost:6379/1");
  assert.equal(placeOf("redis://localhost:6379/1"), placeOf("redis://127.0.0.1:6379/1"));
  await assert.rejects(createBroker("fourth://a", OPTIONS), (error) => {
    return error instanceof BrokerUrlError && /or third:, got "fourth:"$/.test(error.message);
  });
});
