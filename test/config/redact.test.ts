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

test("the form of an address, as errors and help tell it, stays as it is", () => {
  const forms = [
    "expected redis://[user:password@]host[:port][/db]",
    "unix://[user:password@]/path/to/redis.sock[?db=1]",
    "give the user and the password in the address: redis://USER:PASSWORD@HOST:PORT/DB",
  ];
  for (const text of forms) assert.equal(redact(text), text);
});

test("an address that only looks like the form loses its password", () => {
  const cases = {
    "redis://user:password@host": "redis://***@host",
    "redis://[user:s3cret@]host": "redis://***@]host",
    "redis://USER:PASSWORD@db.example.org": "redis://***@db.example.org",
    "redis://[user:password@]host, got REDIS://u:s3cret@host": "redis://[user:password@]host, got REDIS://***@host",
  };
  for (const [given, shown] of Object.entries(cases)) assert.equal(redact(given), shown);
});
