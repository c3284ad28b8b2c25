/** No two names that we accept meet in one key, whatever kinds they are of. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as v from "valibot";
import * as keys from "../../src/broker/redis/keys.ts";
import { SettingsSchema } from "../../src/config/schema.ts";
import { TypeSchema } from "../../src/task/message/message-schema.ts";
import { EnqueueOptionsSchema, QueueNameSchema, UniqueSchema } from "../../src/task/options/enqueue-options.ts";

/** What keys are made of: names that are put together from these come as near to one another as they can. */
const PIECES = [
  ...["te", ".", "te.0.", "te.1.", "0", "1", ":", "-", "-cancel", "cancel", "a", "order", "common", "taskexe:"],
  ...["TASKEXE", "clean_task_executor", "task:", "log:", "unique:", "parked:", "done:", "dead:", "flag:", "paused"],
  ...["schedules", "scheduled:", "marked-cancelled", "waiting-cancelled:", "parked-types", "vanished", "é", "{", "}"],
];

const name = fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join(""));

const id = v.unwrap(EnqueueOptionsSchema.entries.id);
const unique = v.unwrap(UniqueSchema.entries.key);
const executor = SettingsSchema.entries.name;
const PRIORITIES = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/** A kind of key: what names it is made of, how, and which names could have led to a key. */
interface Kind {
  readonly names: readonly v.GenericSchema[];
  make(...names: string[]): string;
  read(key: string): string[][];
}

function behind(prefix: string): Kind["read"] {
  return (key) => (key.startsWith(prefix) ? [[key.slice(prefix.length)]] : []);
}

/** Two names with a colon between them: every colon might be that one. */
function bothBehind(prefix: string): Kind["read"] {
  return (key) => {
    const rest = key.startsWith(prefix) ? key.slice(prefix.length).split(":") : [];
    return rest.slice(1).map((_, at) => [rest.slice(0, at + 1).join(":"), rest.slice(at + 1).join(":")]);
  };
}

function one(schema: v.GenericSchema, make: (name: string) => string): Kind {
  return { names: [schema], make, read: behind(make("")) };
}

const NAMED: Readonly<Record<string, Kind>> = {
  stream: {
    names: [v.picklist(PRIORITIES), QueueNameSchema],
    make: (priority = "", queue = "") => keys.streamKey(queue, Number(priority)),
    read: (key) => (/^te\.\d\./.test(key) ? [[key.slice(3, 4), key.slice(5)]] : []),
  },
  flag: {
    names: [id],
    make: (task = "") => keys.cancelFlagKey(task),
    read: (key) => [[key.replace(/-cancel$/, "")], [key.replace("taskexe:flag:", "")]],
  },
  heartbeats: { names: [executor], make: (own = "") => own, read: (key) => [[key]] },
  unique: {
    names: [QueueNameSchema, unique],
    make: (queue = "", key = "") => keys.uniqueKey(queue, key),
    read: bothBehind("taskexe:unique:"),
  },
  parked: {
    names: [QueueNameSchema, TypeSchema],
    make: (queue = "", type = "") => keys.parkedKey(queue, type),
    read: bothBehind(keys.PARKED_PREFIX),
  },
  record: one(id, keys.recordKey),
  log: one(id, keys.logKey),
  scheduled: one(QueueNameSchema, keys.scheduledKey),
  done: one(QueueNameSchema, keys.doneKey),
  dead: one(QueueNameSchema, keys.deadKey),
  cancelled: one(QueueNameSchema, keys.cancelledKey),
  "waiting cancelled": one(QueueNameSchema, keys.waitingCancelledKey),
};

const FIXED = Object.entries(keys).flatMap(([constant, key]): [string, Kind][] => {
  if (!constant.endsWith("_KEY") || typeof key !== "string") return [];
  return [[constant, { names: [], make: () => key, read: (other) => (other === key ? [[]] : []) }]];
});

const KINDS: Readonly<Record<string, Kind>> = { ...NAMED, ...Object.fromEntries(FIXED) };

function accepts({ names }: Kind, given: readonly string[]): boolean {
  return names.length === given.length && names.every((schema, at) => v.is(schema, given[at]));
}

/** Everything that a key can be of, by the names that we accept. */
function readings(key: string): string[] {
  return Object.entries(KINDS).flatMap(([what, kind]) =>
    kind
      .read(key)
      .filter((names) => accepts(kind, names) && kind.make(...names) === key)
      .map((names) => `${what} of ${names.join(" and ")}`),
  );
}

test("names of queues, tasks, types, executors and unique keys that we accept never meet in one key", () => {
  const given = fc.tuple(fc.constantFrom(...Object.keys(KINDS)), fc.constantFrom(...PRIORITIES), name, name);
  fc.assert(
    fc.property(given, ([what, priority, first, second]) => {
      const kind = KINDS[what];
      assert.ok(kind);
      const names = what === "stream" ? [priority, first] : [first, second].slice(0, kind.names.length);
      fc.pre(accepts(kind, names));
      const key = kind.make(...names);
      assert.deepEqual(readings(key), [`${what} of ${names.join(" and ")}`], key);
    }),
    { numRuns: 5_000 },
  );
});

test("what would be another kind of key is refused as a name, and what is allowed is said", () => {
  const said = (text: string) => v.safeParse(executor, text).issues?.[0].message ?? "";
  for (const text of ["TASKEXE", "clean_task_executor", "te.0.common", "taskexe:paused", "order-cancel"]) {
    assert.match(said(text), /no key of the broker: not TASKEXE/, text);
  }
  const refused = v.safeParse(QueueNameSchema, "order-cancel").issues?.[0].message;
  assert.equal(refused, 'must not end in "-cancel", as the flags of cancelled tasks do');
});

test("a flag of the wire contract has its name, whoever made the task", () => {
  assert.equal(keys.cancelFlagKey("0123456789abcdef0123456789abcdef"), "0123456789abcdef0123456789abcdef-cancel");
  assert.equal(keys.cancelFlagKey("te.0.order"), "te.0.order-cancel");
  assert.equal(keys.cancelFlagKey("taskexe:task:a"), "taskexe:flag:taskexe:task:a");
});
