/**
 * Loaded by `bun test` before all else (bunfig.toml): gives each test and hook two minutes, where Bun gives five
 * seconds. Some tests kill servers and wait for what follows. Bun has no setting for it and forgets the one of a file
 * in the next, so it is set with every test that a file registers; a test's own `timeout` wins.
 */
import { mock, setDefaultTimeout } from "bun:test";
import * as nodeTest from "node:test";

const LIMIT_MS = 120_000;

function withLimit<Args extends unknown[], R>(register: (...args: Args) => R): (...args: Args) => R {
  const limited = (...args: Args): R => {
    setDefaultTimeout(LIMIT_MS);
    return register(...args);
  };
  return Object.assign(limited, register);
}

const { test, it, describe, suite, before, after, beforeEach, afterEach } = nodeTest;
const limited = {
  test: withLimit(test),
  it: withLimit(it),
  describe: withLimit(describe),
  suite: withLimit(suite),
  before: withLimit(before),
  after: withLimit(after),
  beforeEach: withLimit(beforeEach),
  afterEach: withLimit(afterEach),
};
await mock.module("node:test", () => ({ ...nodeTest, ...limited, default: limited.test }));
