/**
 * Text from outside costs time in proportion to its length, whatever stands in it: each function that reads such text
 * is given what makes regular expressions go back and forth, once and twice as long.
 * @alone It measures how long calls take.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DOORS, type Door, HOSTILE } from "./text-doors.ts";

const ENDS = ["", "@ =", "!\n\0", "x\ny"];
/** Of texts that take less than this nobody sees what they grow with. In ms. */
const QUICK_MS = 40;
/** In characters: with its square a regular expression takes seconds. */
const LENGTH = 20_000;
const TRIES = 4;

for (const [name, door] of Object.entries(DOORS)) {
  test(`${name}: twice the text takes at most about twice the time`, { timeout: 60_000 }, async () => {
    for (const pattern of HOSTILE) {
      for (const end of ENDS) {
        const text = (length: number) => pattern.repeat(Math.ceil(length / pattern.length)) + end;
        if ((await timeOf(door, text(LENGTH))) < QUICK_MS) continue;
        assert.ok(await isLinear(door, text), `${JSON.stringify(pattern)} before ${JSON.stringify(end)}`);
      }
    }
  });
}

/** In one of a few tries: the machine may stand still at any moment. */
async function isLinear(door: Door, text: (length: number) => string): Promise<boolean> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const once = await timeOf(door, text(LENGTH));
    const twice = await timeOf(door, text(2 * LENGTH));
    if (once < QUICK_MS || twice < 3 * once) return true;
  }
  return false;
}

async function timeOf(door: Door, text: string): Promise<number> {
  const begun = performance.now();
  try {
    await door(text);
  } catch {
    // Most of it is refused.
  }
  return performance.now() - begun;
}
