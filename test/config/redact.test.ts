import assert from "node:assert/strict";
import { test } from "node:test";
import { redact } from "../../src/config/redact.ts";

test("passwords leave every address, whatever stands in them", () => {
  const cases = {
    "redis://:s3cret@host:6379/1": "redis://***@host:6379/1",
    "rediss://user:s3cret@host": "rediss://***@host",
    "redis://user:s3/cr@et@host": "redis://***@host",
    "redis://token@host": "redis://***@host",
    "cannot reach redis://u:s3cret@a and redis://v:s3cret@b": "cannot reach redis://***@a and redis://***@b",
    "redis+unix:///run/redis.sock?password=s3cret&db=1": "redis+unix:///run/redis.sock?password=***&db=1",
  };
  for (const [given, shown] of Object.entries(cases)) assert.equal(redact(given), shown);
});

test("text without secrets stays as it is", () => {
  for (const text of ["redis://host:6379/1", "mail me@example.org", "a=b", "https://example.org/@user"]) {
    assert.equal(redact(text), text);
  }
});
