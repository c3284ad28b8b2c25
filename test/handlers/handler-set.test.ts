import assert from "node:assert/strict";
import { test } from "node:test";
import { builtinRegistry } from "../../src/handlers/builtin.ts";
import { defineTask } from "../../src/handlers/define-task.ts";
import { HandlerSet } from "../../src/handlers/handler-set.ts";
import { DuplicateHandlerError } from "../../src/handlers/registry.ts";
import { handlerOf } from "./http/stage.ts";

test("files and other kinds have one list of types; a user's own takes the place of a built-in one", () => {
  const files = builtinRegistry();
  files.add(defineTask({ type: "file", run() {} }), "a.ts");
  const set = new HandlerSet(files);
  const [own, echo] = ["own", "echo"].map((type) => handlerOf("http://127.0.0.1:9/", { type }));
  assert.ok(own !== undefined && echo !== undefined);
  set.add(own, "taskexe.toml:[http.own]");
  set.add(echo, "taskexe.toml:[http.echo]");
  assert.deepEqual(set.types(), ["echo", "fail", "file", "noop", "own", "sleep"]);
  assert.equal(set.get("own"), own);
  assert.equal(set.get("echo"), echo);
  assert.equal(set.get("file"), files.get("file"));
  assert.equal(set.get("nobody"), undefined);
});

test("a type that a file, or another table, defines too is refused with both places", () => {
  const files = builtinRegistry();
  files.add(defineTask({ type: "twice", run() {} }), "a.ts");
  const set = new HandlerSet(files);
  const add = (type: string, source: string) => set.add(handlerOf("http://127.0.0.1:9/", { type }), source);
  assert.throws(() => add("twice", "t.toml:[http.twice]"), {
    name: "DuplicateHandlerError",
    message: 'two handlers for the type "twice": a.ts and t.toml:[http.twice]; remove one of them',
  });
  add("one", "t.toml:[http.one]");
  assert.throws(() => add("one", "t.toml:[exec.one]"), DuplicateHandlerError);
});
