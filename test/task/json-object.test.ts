/** Objects whose keys come from outside keep all of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { JsonObjectSchema, objectOf } from "../../src/task/message/json-object.ts";

const NAMES = ["__proto__", "prototype", "constructor", "hasOwnProperty", "toString", "a"];
const object: unknown = JSON.parse(`{${NAMES.map((name, at) => `"${name}":${at}`).join()}}`);

test("no key is lost, whatever it is called, and none changes what the object is", () => {
  for (const schema of [JsonObjectSchema, objectOf(v.number())]) {
    const read = v.parse(schema, object);
    assert.deepEqual(Object.entries(read), Object.entries(object as object));
    assert.equal(Object.getPrototypeOf(read), Object.prototype);
  }
});

test("what is no object, or holds another value, is refused, and the key is named", () => {
  for (const given of [null, [], "x", 1]) {
    assert.equal(v.safeParse(JsonObjectSchema, given).success, false);
    assert.equal(v.safeParse(objectOf(v.number()), given).success, false);
  }
  const [issue] = v.safeParse(objectOf(v.number()), { good: 1, bad: "x" }).issues ?? [];
  assert.match(issue?.message ?? "", /^"bad": Invalid type: Expected number but received "x"$/);
});
