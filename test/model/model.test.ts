/**
 * Random sequences of everything that can be done to a broker, against a model. After each command the answers and the
 * raw store agree with it; at the end of a sequence nothing is left over.
 *   MODEL_RUNS=200                                  more sequences
 *   MODEL_SEED=... MODEL_PATH=... MODEL_REPLAY=...  a failed one again, as it was printed
 * @long about 30 s
 */
import { after, before, test } from "node:test";
import fc from "fast-check";
import { type RedisServer, startRedis } from "../stage/redis/server.ts";
import { commandSequences } from "./commands.ts";
import { redisRaw } from "./redis-raw.ts";
import { sqliteRaw } from "./sqlite-raw.ts";
import { type Raw, System, takeClock } from "./system.ts";

const { MODEL_PATH } = process.env;
// The short run of every change repeats the same sequences; the long one looks for new ones.
const { MODEL_RUNS = "20", MODEL_SEED = process.env.MODEL_RUNS === undefined ? "20261123" : undefined } = process.env;
const RUNS = Number(MODEL_RUNS);
/** Sequences are about half as long on average. */
const MOST_COMMANDS = 200;
/** Ends what hangs. */
const LIMIT_MS = 60_000 + RUNS * 20_000;

let server: RedisServer;
let giveClockBack: () => void;

before(async () => {
  giveClockBack = takeClock();
  server = await startRedis();
});

after(async () => {
  giveClockBack();
  await server.stop();
});

async function check(makeRaw: () => Promise<Raw>, options: { runs: number; most: number; processes: boolean }) {
  const sequence = async (commands: Iterable<fc.AsyncCommand<object, System>>) => {
    const system = await System.open(await makeRaw());
    try {
      await fc.asyncModelRun(() => ({ model: {}, real: system }), commands);
      await system.finish();
    } finally {
      await system.end();
    }
  };
  await fc.assert(fc.asyncProperty(commandSequences(options.most, options.processes), sequence), {
    numRuns: options.runs,
    interruptAfterTimeLimit: LIMIT_MS,
    markInterruptAsFailure: true,
    ...(MODEL_SEED === undefined ? {} : { seed: Number(MODEL_SEED) }),
    ...(MODEL_PATH === undefined ? {} : { path: MODEL_PATH }),
  });
}

const KINDS: readonly [string, () => Promise<Raw>][] = [
  ["redis", () => redisRaw(server)],
  ["sqlite", sqliteRaw],
];

for (const [kind, makeRaw] of KINDS) {
  test(`${kind}: whatever is done to it in whatever order, it agrees with the model`, { timeout: 2 * LIMIT_MS }, () =>
    check(makeRaw, { runs: RUNS, most: MOST_COMMANDS, processes: false }),
  );

  test(`${kind}: executors that are killed for real change nothing of that`, { timeout: 2 * LIMIT_MS }, () =>
    check(makeRaw, { runs: Math.max(1, Math.round(RUNS / 10)), most: MOST_COMMANDS / 2, processes: true }),
  );
}
