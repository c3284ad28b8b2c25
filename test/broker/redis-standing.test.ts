/** What an answer of Redis means, and how all that was refused makes one state; by a clock that the test moves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { kindOfAnswer } from "../../src/broker/redis/connection/answers.ts";
import { RedisStanding } from "../../src/broker/redis/connection/standing.ts";

test("each answer of Redis is told apart: whom it concerns, and whether it heals", () => {
  const answers: [string, string][] = [
    ["READONLY You can't write against a read only replica.", "elsewhere"],
    ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "elsewhere"],
    ["NOREPLICAS Not enough good replicas to write.", "elsewhere"],
    ["CLUSTERDOWN The cluster is down", "elsewhere"],
    ["UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)", "elsewhere"],
    ["LOADING Redis is loading the dataset in memory", "later"],
    ["OOM command not allowed when used memory > 'maxmemory'.", "later"],
    ["MISCONF Redis is configured to save RDB snapshots", "later"],
    ["BUSY Redis is busy running a script.", "later"],
    ["NOAUTH Authentication required.", "later"],
    ["WRONGPASS invalid username-password pair or user is disabled.", "later"],
    ["ERR max number of clients reached", "later"],
    ["NOPERM this user has no permissions to run the 'xadd' command", "mendable"],
    ["ERR The user executing the script can't access at least one of the keys", "mendable"],
    ["WRONGTYPE Operation against a key holding the wrong kind of value", "mendable"],
    ["NOGROUP No such key 'te.0.common' or consumer group", "mendable"],
    ["UNBLOCKED the stream key no longer exists", "mendable"],
    ["ERR unknown command 'XAUTOCLAIM'", "mendable"],
    ["BUSYGROUP Consumer Group name already exists", "mistake"],
    ["ERR wrong number of arguments for 'xadd' command", "mistake"],
    ["ERR value is not an integer or out of range", "mistake"],
    ["NOSCRIPT No matching script. Please use EVAL.", "mistake"],
  ];
  for (const [answer, kind] of answers) assert.equal(kindOfAnswer(answer), kind, answer);
});

test("while its connections are opened one after the other for the first time, none of them is lost", () => {
  const standing = new RedisStanding(() => 0);
  const said: string[] = [];
  standing.onChange(({ state, lastError }) => said.push(`${state}: ${lastError}`));
  standing.shut();
  standing.shut();
  assert.deepEqual(said, [], "nothing has changed: it was not there before");
  standing.opened();
  standing.shut();
  assert.deepEqual(said, ["connected: null", "away: the connection was lost"]);
});

function stage() {
  let now = 0;
  const standing = new RedisStanding(() => now);
  const said: string[] = [];
  standing.onChange(({ state, lastError }) => said.push(lastError === null ? state : `${state}: ${lastError}`));
  standing.opened();
  const pass = (ms: number): void => {
    now += ms;
    standing.settle();
  };
  return { standing, said, pass };
}

test("what goes through does not end a refusal while something else is refused", () => {
  const { standing, said, pass } = stage();
  standing.refused("OOM");
  for (let turn = 0; turn < 20; turn++) {
    standing.serverDone();
    pass(100);
    standing.refused("OOM");
  }
  standing.serverDone();
  pass(499);
  assert.deepEqual(said, ["connected", "refusing: OOM"]);
  pass(1);
  assert.deepEqual(said, ["connected", "refusing: OOM", "connected"]);
});

test("a connection that is dropped over a refusal does not hide it; one that cannot be opened does", () => {
  const { standing, said } = stage();
  standing.refused("READONLY");
  standing.shut();
  standing.notOpened("connect ECONNREFUSED", false);
  standing.opened();
  assert.deepEqual(said, ["connected", "refusing: READONLY", "away: connect ECONNREFUSED", "refusing: READONLY"]);
});

test("a server that left a write without an answer is away until it takes one, however often connections open", () => {
  const { standing, said, pass } = stage();
  standing.silent("no answer");
  for (let turn = 0; turn < 3; turn++) {
    standing.shut();
    standing.opened();
    pass(3_000);
  }
  assert.equal(standing.isRefused, true, "it is looked at more often");
  assert.deepEqual(said, ["connected", "away: no answer"]);
  standing.serverDone();
  pass(0);
  assert.deepEqual(said, ["connected", "away: no answer", "connected"]);
});

test("a duty that was refused is one until it goes through, or is not tried again for long", () => {
  const { standing, said, pass } = stage();
  standing.dutyRefused("claim", "NOPERM");
  standing.dutyDone("promote");
  pass(5_000);
  assert.equal(said.at(-1), "refusing: NOPERM");
  standing.dutyDone("claim");
  pass(0);
  assert.equal(said.at(-1), "connected");
  standing.dutyRefused("release", "WRONGTYPE");
  pass(14_999);
  assert.equal(said.at(-1), "refusing: WRONGTYPE");
  pass(1);
  assert.equal(said.at(-1), "connected");
  assert.equal(standing.isRefused, false);
});

test("a duty without which tasks run is a warning, and no trouble", () => {
  const { standing } = stage();
  standing.advise(["maxmemory-policy is allkeys-lru"]);
  standing.dutyRefused("task logs", "WRONGTYPE");
  const warnings = ["maxmemory-policy is allkeys-lru", "task logs: WRONGTYPE"];
  assert.deepEqual(standing.state, { state: "connected", lastError: null, warnings });
});
