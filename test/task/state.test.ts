/** The state table against the picture that the design gives of a task's life. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ENDED_STATES, hasEnded, isOpenTo, MOVES, mayMove, RETRIED_STATES, TASK_STATES } from "../../src/task/state.ts";

test("a task moves as its life is drawn, and in no other way", () => {
  const moves = TASK_STATES.map((from) => [from, TASK_STATES.filter((to) => mayMove(from, to))]);
  assert.deepEqual(Object.fromEntries(moves), {
    scheduled: ["queued", "cancelled"],
    queued: ["scheduled", "running", "cancelled"],
    running: ["queued", "retrying", "done", "dead", "cancelled"],
    retrying: ["queued", "cancelled"],
    done: [],
    dead: ["queued"],
    cancelled: ["queued"],
  });
});

test("what is done, dead or cancelled has ended, and nothing else has", () => {
  assert.deepEqual(ENDED_STATES, ["done", "dead", "cancelled"]);
  assert.deepEqual(TASK_STATES.filter(hasEnded), ENDED_STATES);
  const others = Object.values(MOVES).filter((move) => move !== MOVES.revive);
  const left = TASK_STATES.filter((state) => others.some((move) => isOpenTo(move, state)));
  assert.deepEqual(
    TASK_STATES.filter((state) => !left.includes(state)),
    ENDED_STATES,
  );
  assert.deepEqual(RETRIED_STATES, ["dead", "cancelled"]);
});
