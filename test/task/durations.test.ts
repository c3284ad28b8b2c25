import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDuration, parseDuration } from "../../src/task/times/durations.ts";

test("each unit counts its milliseconds", () => {
  const written = { "500ms": 500, "30s": 30_000, "5m": 300_000, "1h": 3_600_000, "1d": 86_400_000 };
  for (const [text, ms] of Object.entries(written)) assert.equal(parseDuration(text), ms, text);
});

test("a plain number counts seconds, as text and as a number", () => {
  assert.equal(parseDuration("30"), 30_000);
  assert.equal(parseDuration(30), 30_000);
  assert.equal(parseDuration("0"), 0);
});

test("fractions and spaces are read", () => {
  assert.equal(parseDuration("1.5s"), 1_500);
  assert.equal(parseDuration(" 2 m "), 120_000);
  assert.equal(parseDuration(0.25), 250);
});

test("what is no duration gives null", () => {
  for (const text of ["", "s", "1x", "-1s", "1s2", "1h30m", "NaN", "1e3", "10 minutes", "9".repeat(30)]) {
    assert.equal(parseDuration(text), null, JSON.stringify(text));
  }
  for (const value of [-1, Number.NaN, Number.POSITIVE_INFINITY]) assert.equal(parseDuration(value), null);
});

test("a duration is written in the largest unit without a fraction, and read back the same", () => {
  const written = { 0: "0s", 1: "1ms", 1500: "1500ms", 90000: "90s", 120000: "2m", 3600000: "1h", 172800000: "2d" };
  for (const [ms, text] of Object.entries(written)) {
    assert.equal(formatDuration(Number(ms)), text);
    assert.equal(parseDuration(text), Number(ms));
  }
});
