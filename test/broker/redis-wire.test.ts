/** docs/wire.md is true: its table of fields is that of the code, and a record is read by its rules alone. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as keys from "../../src/broker/redis/keys.ts";
import {
  ERROR_LETTER,
  FIELD_LETTERS,
  HEAD_BYTES,
  PAYLOAD_LETTER,
  STATE_LETTERS,
} from "../../src/broker/redis/records/codec.ts";
import { claimOne, done, task } from "../stage/outcomes.ts";
import { redisSentences } from "./redis-sentences.ts";

const { sentence, redis } = redisSentences();
const text = readFileSync(new URL("../../docs/wire.md", import.meta.url), "utf8");

test("docs/wire.md names every field of a record, in order, and every state", () => {
  const rows = [...text.matchAll(/^\| `(\w)` +\| (?:`(\w+)`)? *\|/gm)].map(([, letter, name]) => [letter, name]);
  const message = rows.findIndex(([letter]) => letter === FIELD_LETTERS.message);
  assert.deepEqual(rows[message + 1], [PAYLOAD_LETTER, "message"]);
  const own = rows.filter(([letter]) => letter !== ERROR_LETTER && letter !== PAYLOAD_LETTER);
  assert.deepEqual(
    own,
    Object.entries(FIELD_LETTERS).map(([name, letter]) => [letter, name]),
  );
  assert.ok(rows.some(([letter]) => letter === ERROR_LETTER));
  for (const [state, letter] of Object.entries(STATE_LETTERS))
    assert.ok(text.includes(`\`${letter}\` ${state}`), state);
  assert.ok(text.includes(`${HEAD_BYTES.toLocaleString("en").replace(",", " ")} bytes`));
});

test("docs/wire.md names every key", () => {
  for (const [name, key] of Object.entries(keys)) {
    if (typeof key === "string" && name.endsWith("_KEY")) assert.ok(text.includes(`\`${key}\``), key);
  }
  const made = [keys.streamKey("QUEUE", 0).replace("0", "PRIORITY"), keys.recordKey("ID"), keys.logKey("ID")];
  const sets = [keys.scheduledKey, keys.doneKey, keys.deadKey, keys.cancelledKey, keys.waitingCancelledKey];
  const others = [keys.uniqueKey("QUEUE", "KEY"), keys.parkedKey("QUEUE", "TYPE"), keys.cancelFlagKey("ID")];
  for (const key of [...made, ...sets.map((make) => make("QUEUE")), ...others]) {
    assert.ok(text.includes(`\`${key}\``), key);
  }
});

/** A reader by the words of docs/wire.md, and nothing else. */
function readByTheDocument(id: string, packed: Buffer): Record<string, string> {
  const letters = new Map([...text.matchAll(/^\| `(\w)` +\| `(\w+)` *\|/gm)].map(([, letter, name]) => [letter, name]));
  assert.equal(packed.toString("utf8", 0, 1), "T");
  const fields: Record<string, string> = { state: packed.toString("utf8", 1, 2) };
  for (let at = 2; at < packed.length; ) {
    const mark = packed.toString("utf8", at, at + 1);
    const letter = mark.toLowerCase();
    const isCapital = mark !== letter;
    const start = isCapital ? at + 2 : packed.indexOf(":", at) + 1;
    const digits = packed.toString("utf8", at + 1, start);
    const end = start + (isCapital ? Number.parseInt(digits, 36) : Number(digits.slice(0, -1)));
    const value = packed.toString("utf8", start, end);
    const name = letters.get(letter) ?? letter;
    if (letter === "y") fields[name] = `{"id":"${id}","task_type":"${fields.type}","payload":${value}}`;
    else if (letter === "e" && !value.includes("-")) {
      fields[name] = `${Number.parseInt(value.slice(0, 8), 36)}-${Number.parseInt(value.slice(8), 36)}`;
    } else fields[name] = value;
    at = end;
  }
  return { queue: "common", ...fields };
}

sentence("a record can be read by the words of docs/wire.md alone", async (stage) => {
  const broker = await stage.open("a");
  await broker.enqueue([task("ü")]);
  const read = async () => readByTheDocument("ü", (await redis().getBuffer(keys.recordKey("ü"))) ?? Buffer.alloc(0));
  const waits = await read();
  assert.deepEqual([waits.state, waits.type, waits.queue, waits.message], ["q", "noop", "te", task("ü").message]);
  const [found] = await redis().xrange(keys.streamKey("te", 0), waits.entry ?? "", waits.entry ?? "");
  assert.equal(found?.[1][1], task("ü").message);
  // The example of the document.
  const example = /^"(Tq.*)"$/m.exec(text)?.[1]?.replaceAll("\\", "") ?? "";
  assert.deepEqual(readByTheDocument("a1", Buffer.from(example)), {
    ...{ state: "q", entry: "1764432000000-0", retention: "1d", queue: "common", type: "resize" },
    message: '{"id":"a1","task_type":"resize","payload":{"w":100}}',
  });
  await broker.complete([done(await claimOne(broker, stage.signal), { result: '"ö"' })]);
  const ended = await read();
  const { state, message, result, executor, attempt } = ended;
  assert.deepEqual([state, message, result, executor, attempt], ["d", task("ü").message, '"ö"', "a", "1"]);
});
