/**
 * Who is charged when a process dies over tasks: what an ending says of that becomes options of the next message, and
 * in the end a reason.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Charges,
  chargesAfter,
  chargesIn,
  conviction,
  type Death,
  errorOf,
  optionsOf,
  withoutCharges,
} from "../../../src/executor/attempt/charges.ts";
import { parseMessage, withOptions } from "../../../src/task/message/message.ts";

const NONE: Charges = { crashes: 0, reasons: [], deaths: 0, company: null };

test("a death alone charges one crash with its reason, and the task runs alone from then on", () => {
  const once = chargesAfter(alone("exit code 7"), NONE);
  assert.deepEqual(once, { crashes: 1, reasons: ["exit code 7"], deaths: 1, company: 0 });
  assert.equal(conviction(once, 1), null);
  assert.equal(
    conviction(once, 0),
    "quarantined: its process died once while it ran alone (crash budget 0): exit code 7",
  );
});

test("a death in company charges nobody, and halves the company", () => {
  const once = chargesAfter(among(9), NONE);
  assert.deepEqual(once, { crashes: 0, reasons: [], deaths: 1, company: 4 });
  assert.equal(conviction(once, 0), null);
});

test("a company is halved from what may be, also where more had begun beside it", () => {
  assert.equal(chargesAfter(among(9), { ...NONE, company: 4 }).company, 2);
  assert.equal(chargesAfter(among(1), { ...NONE, company: 4 }).company, 0);
});

test("a guilty one is alone and convicted before the backstop, however many there were and with any budget", () => {
  for (const company of [1, 2, 3, 63, 64, 1_000, 9_999]) {
    for (const budget of [0, 1, 3]) {
      let charges = NONE;
      while (charges.company !== 0) {
        charges = chargesAfter(among(charges.company ?? company), charges);
        assert.equal(conviction(charges, budget), null, `${company} beside it, ${charges.deaths} deaths`);
      }
      while (conviction(charges, budget) === null) charges = chargesAfter(alone("exit code 1"), charges);
      assert.equal(charges.crashes, budget + 1);
    }
  }
});

test("what was never alone is quarantined by the backstop, ten deaths beyond its budget", () => {
  let charges = NONE;
  for (let death = 1; death < 13; death++) charges = chargesAfter(among(5), { ...charges, company: null });
  assert.equal(conviction(charges, 3), null);
  assert.equal(
    conviction(chargesAfter(among(5), charges), 3),
    "quarantined: processes died 13 times over it, 0 times while it ran alone (crash budget 3)",
  );
});

test("of the reasons the last three different ones are kept, each of 200 characters at most", () => {
  const said = ["a", "b", "a", "c", "d", "e".repeat(300)];
  const { reasons } = said.reduce((charges, reason) => chargesAfter(alone(reason), charges), NONE);
  assert.equal(reasons.length, 3);
  assert.deepEqual(reasons.slice(0, 2), ["c", "d"]);
  assert.match(reasons[2] ?? "", /^.{0,200}\.\.\. \(\d+ characters more\)$/);
});

test("they travel in the message, whoever wrote it, and leave all else in it as it was", () => {
  const charges: Charges = { crashes: 2, reasons: ["killed by SIGSEGV", 'said "no"'], deaths: 5, company: 0 };
  for (const raw of ['{"id":"a","task_type":"t","payload":{"n":1.0}}', '{"id":"a","doc_id":"d","taskexe":{"x":1}}']) {
    const before = read(raw);
    const after = read(withOptions(raw, { ...before.options, ...optionsOf(charges) }));
    assert.deepEqual(chargesIn(after.options), charges);
    assert.deepEqual(withoutCharges(after.options), before.options);
    assert.deepEqual([after.payload, after.foreign], [before.payload, before.foreign]);
  }
  assert.deepEqual(optionsOf(NONE), {});
});

test("options that no executor writes are refused with their place", () => {
  const wrong = { crashes: 0, deaths: 1.5, company: -1, crash_reasons: ["a", "b", "c", "d"] };
  for (const [key, value] of Object.entries(wrong)) {
    const parsed = parseMessage(JSON.stringify({ id: "a", payload: 1, taskexe: { [key]: value } }));
    assert.ok(!parsed.ok, key);
    assert.match(parsed.reason, new RegExp(`taskexe.${key}`));
  }
});

test("a death is told as an error of the attempt", () => {
  const messages = [alone("exit code 7"), among(1), among(3)].map((death) => errorOf(death).message);
  assert.deepEqual(messages, [
    "its process died: exit code 7",
    "its process died, in which one other had begun beside it: killed by SIGSEGV",
    "its process died, in which 3 others had begun beside it: killed by SIGSEGV",
  ]);
});

function alone(reason: string): Death {
  return { kind: "crashed", reason };
}

function among(company: number): Death {
  return { kind: "suspected", company, reason: "killed by SIGSEGV" };
}

function read(raw: string) {
  const parsed = parseMessage(raw);
  assert.ok(parsed.ok);
  return parsed.message;
}
