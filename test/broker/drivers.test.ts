/**
 * Drivers of a test's own: the broker in memory, which is a folder and one line, and one that has all that a driver may
 * have. All that the program asks of an address then goes to them.
 */
import assert from "node:assert/strict";
import { resolve } from "node:path";
import { after, before, test } from "node:test";
import * as v from "valibot";
import { type BrokerOptions, BrokerUnavailableError } from "../../src/broker/broker.ts";
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
import { memoryDriver } from "../../src/broker/memory/driver.ts";
import { forgetStore } from "../../src/broker/memory/store/store.ts";
import { describe } from "../../src/cli/output/report-failure.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { readBrokerFile } from "../../src/config/broker-file.ts";
import { SettingsSchema } from "../../src/config/schema.ts";
import { requestOf } from "../stage/outcomes.ts";
import { Stage } from "../stage/stage.ts";

const OPTIONS: BrokerOptions = { executor: null, queues: ["common"], leaseMs: 1_000 };

class ThirdError extends Error {
  override readonly name = "ThirdError";
}

/** The same with what a driver may leave out: it names folders, may serve where nobody names a broker, has errors. */
const third: Driver = {
  ...memoryDriver,
  name: "third",
  schemes: ["third:"],
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
};

let forget: readonly (() => void)[] = [];
before(() => {
  forget = [memoryDriver, third].map(registerDriver);
});
after(() => {
  for (const each of forget) each();
});

test("its addresses are settings, and its form stands among those that can be", () => {
  assert.equal(addressProblem("memory:a"), null);
  assert.equal(addressProblem("memory:"), "memory:NAME");
  assert.match(addressForms(), /, memory:NAME or third:FOLDER$/);
  assert.match(addressProblem("fourth:a") ?? "", /, memory:NAME or third:FOLDER$/);
  assert.equal(v.is(SettingsSchema.entries.broker, "memory:a"), true);
  assert.equal(v.is(SettingsSchema.entries.broker, "fourth:a"), false);
  assert.ok(schemes().includes("memory:"));
  assert.ok(!schemes("secretSchemes").includes("memory:"));
});

test("an address that names no file stays as it is, wherever it is read", async () => {
  await Stage.with(async (stage) => {
    await stage.write({ broker: "memory:queue\n" });
    assert.equal(readBrokerFile(stage.path("broker"), "a flag").address, "memory:queue");
  });
  assert.equal(addressFrom("memory:a", "/srv"), "memory:a");
  assert.equal(fileOf("memory:a"), null);
  assert.equal(wholeAddress("memory:a"), "memory:a");
  assert.notEqual(placeOf("memory:A"), placeOf("memory:a"));
});

test("paths of a driver count from the folder of the file that names them, and are made whole", async () => {
  await Stage.with(async (stage) => {
    await stage.write({ broker: "third:queue\n" });
    assert.equal(readBrokerFile(stage.path("broker"), "a flag").address, `third:${stage.path("queue")}`);
  });
  assert.equal(addressFrom("third:a", "/srv"), "third:/srv/a");
  assert.equal(fileOf("third:/srv/a"), "/srv/a");
  assert.equal(wholeAddress("third:a"), `third:${resolve("a")}`);
  assert.equal(placeOf("third:/A"), placeOf("third:/a"));
});

test("brokers of one address meet, and those of another have nothing to do with them", async () => {
  const brokers = await Promise.all(["one", "one", "other"].map((name) => createBroker(`memory:${name}`, OPTIONS)));
  const [first, second, other] = brokers;
  assert.ok(first && second && other);
  assert.deepEqual(
    brokers.map(({ url }) => url),
    ["memory:one", "memory:one", "memory:other"],
  );
  for (const broker of brokers) await broker.open(openRoot().signal);
  try {
    await first.enqueue([requestOf("a", "noop", null)]);
    assert.equal((await second.record("a"))?.state, "queued");
    assert.equal(await other.record("a"), null);
  } finally {
    for (const broker of brokers) await broker.close();
    for (const name of ["one", "other"]) forgetStore(name);
  }
  await assert.rejects(first.record("a"), BrokerUnavailableError);
  await assert.rejects(createBroker("memory:", OPTIONS), BrokerUrlError);
});

test("errors of a driver are told in its words", () => {
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
