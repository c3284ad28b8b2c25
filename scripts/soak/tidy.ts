/**
 * The end of a soak: one more executor, alone, has the time to tidy up behind those that were killed; then it leaves,
 * and what is still there is accounted for. It expels after 2 s in place of two minutes, so that a minute and a half
 * is enough.
 */
import { Redis } from "ioredis";
import { type CancelScope, sleep } from "../../src/concurrency/index.ts";
import { ExecutorProcess } from "../../test/stage/executor.ts";
import { type Account, type Expected, SLACK_MS, together } from "./account/account.ts";
import { accountOfFolder } from "./account/files.ts";
import { accountOfRedis } from "./account/redis.ts";
import { accountOfSqlite } from "./account/sqlite.ts";

/** How often the account is drawn until all is explained, and after how long it is drawn for the last time, in ms. */
const AGAIN_MS = 5_000;
const LONGEST_MS = 120_000;

/** After so long without a beat an executor is expelled, in ms, and after thirty times that its consumers go. */
const HEARTBEAT_TIMEOUT_MS = 2_000;
const TIDY_MS = 30 * HEARTBEAT_TIMEOUT_MS + SLACK_MS;

export interface Remains {
  /** The broker's address. */
  readonly url: string;
  /** The state folder of the executors. */
  readonly folder: string;
  /** How many records the executors were told to keep. */
  readonly limits: Pick<Expected, "doneLimit" | "cancelledLimit" | "deadLimit">;
}

/** Tidies up, and draws the account. @throws (rejects) where the executor does not start, or leaves with an error. */
export async function tidyUp({ url, folder, limits }: Remains, scope: CancelScope): Promise<Account> {
  const expected = { ...limits, executors: 0, heartbeatTimeoutMs: HEARTBEAT_TIMEOUT_MS };
  const executor = await ExecutorProcess.start({
    broker: url,
    folder,
    env: {
      TASKEXE_HEARTBEAT_TIMEOUT: `${HEARTBEAT_TIMEOUT_MS}ms`,
      TASKEXE_DONE_LIMIT: String(limits.doneLimit),
      TASKEXE_CANCELLED_LIMIT: String(limits.cancelledLimit),
      TASKEXE_DEAD_LIMIT: String(limits.deadLimit),
    },
  });
  try {
    await sleep(TIDY_MS, scope.signal);
    const until = performance.now() + LONGEST_MS;
    // What it removes in steps may be much; itself it is the one that lives.
    while (performance.now() < until) {
      const { problems } = await accountOf(url, folder, { ...expected, executors: 1 });
      if (problems.length === 0) break;
      await sleep(AGAIN_MS, scope.signal);
    }
    executor.kill("SIGTERM");
    const { code } = await executor.exit;
    if (code !== 0)
      throw new Error(`the executor that tidied up left with ${code}:\n${executor.output().slice(-2_000)}`);
  } finally {
    await executor.end();
  }
  return accountOf(url, folder, expected);
}

async function accountOf(url: string, folder: string, expected: Expected): Promise<Account> {
  const files = accountOfFolder(folder);
  if (url.startsWith("sqlite:")) return together(accountOfSqlite(url.slice("sqlite:".length), expected), files);
  const redis = new Redis(url);
  try {
    return together(await accountOfRedis(redis, expected), files);
  } finally {
    redis.disconnect();
  }
}
