/** Nothing that a process starts outlives it, and nothing outlives the executor, however each of them ends. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { factsOf } from "../../../src/runners/processes/proc.ts";
import { Command } from "../../stage/command.ts";
import { ON_BUN, ON_DENO, ON_NODE } from "../../stage/programs.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { until } from "../../stage/until.ts";
import type { Line } from "./fixtures/supervisor.ts";

const SUPERVISOR = fileURLToPath(new URL("fixtures/supervisor.ts", import.meta.url));

/** A child of its own session, by two forks, without any of the environment: `setsid` forks where it leads a group. */
const GET_AWAY = "(setsid -f env -i /bin/sleep MARKER </dev/null >/dev/null 2>&1 &)";
const STAY = "/bin/sleep MARKER & ";

const MB = 1024 * 1024;
/** Holds so many MB for a while. */
const take = (mb: number) => `head -c ${mb}000000 /dev/zero | tail -c ${mb}000000 | { sleep 3; wc -c >/dev/null; }`;

/** A number of seconds by which the processes of a test are known. */
let marker = 40_000 + (process.pid % 20_000) * 10;

/** A supervisor over these commands, in which MARKER stands for a number that is this test's alone. */
async function supervised(
  program: readonly [string, ...string[]],
  lines: readonly Line[],
  use: (supervisor: Command, left: () => number[]) => Promise<void>,
  ...more: string[]
): Promise<void> {
  const own = String(marker++);
  const [runtime, ...options] = program.slice(0, -1) as [string, ...string[]];
  const given = JSON.stringify(lines).replaceAll("MARKER", own);
  const supervisor = new Command([runtime, ...options, SUPERVISOR, given, ...more]);
  const left = () => processesWith(own).filter((pid) => pid !== supervisor.pid);
  try {
    await use(supervisor, left);
  } finally {
    await supervisor.end();
    for (const pid of left()) process.kill(pid, "SIGKILL");
  }
}

/** Those whose command line has this for a whole argument, or within a script. */
function processesWith(text: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && readOrNothing(`/proc/${pid}/cmdline`).includes(text));
}

function readOrNothing(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}

const sh = (script: string, more: Partial<Line> = {}): Line => ({ command: "sh", args: ["-c", script], ...more });

/** What was told of the ends. */
function endsOf(output: string): { readonly reason: string; readonly out: string; readonly err: string }[] {
  return [...output.matchAll(/^ended (.*)$/gm)].map(([, json = ""]) => JSON.parse(json));
}

for (const [name, program, hasCalls] of [
  ["Bun", ON_BUN, true],
  ["Deno", ON_DENO, true],
  ["Node", ON_NODE, false],
] as const) {
  describe(`processes of an executor on ${name}`, { skip: process.platform !== "linux" }, () => {
    test("the reason of an end is the true one", SLOW, async () => {
      const lines = [sh("exit 0"), sh("exit 7"), sh("kill -SEGV $$"), sh("kill -9 $$", { bound: "us" })];
      await supervised(program, lines, async (supervisor) => {
        await supervisor.says(/^left$/m);
        const reasons = endsOf(supervisor.output()).map(({ reason }) => reason);
        assert.deepEqual(reasons.sort(), ["exit code 0", "exit code 7", "killed by SIGKILL", "killed by SIGSEGV"]);
      });
    });

    test("what stays in the group of a command ends with it", SLOW, async () => {
      await supervised(program, [sh(`trap '' TERM; ${STAY}exit 3`)], async (supervisor, left) => {
        await supervisor.says(/^left$/m);
        assert.deepEqual(left(), []);
      });
    });

    test("when the executor is killed, nothing is left within a second", SLOW, async () => {
      const computing = "while :; do :; done # MARKER";
      const lines = [sh(computing), sh(computing, { bound: "us" }), sh(`${STAY}wait`), sh(`trap '' TERM; ${STAY}wait`)];
      await supervised(program, lines, async (supervisor, left) => {
        await until(() => (supervisor.output().match(/^started /gm)?.length === 4 && left().length >= 6) || null);
        supervisor.kill("SIGKILL");
        const killedAt = performance.now();
        await until("all processes are gone", 5_000, () => left().length === 0);
        const ms = performance.now() - killedAt;
        assert.ok(ms < 1_000, `it took ${ms} ms`);
      });
    });

    test("a command that cannot be started is refused, bound or not", SLOW, async () => {
      for (const bound of ["us", "nobody"] as const) {
        await supervised(program, [{ command: "no-such-command", bound }], async (supervisor) => {
          await supervisor.ended;
          assert.match(supervisor.output(), /The command "no-such-command" cannot be started: it is not in PATH/);
        });
      }
    });

    test("its folder is gone after its end, a violent one, too", SLOW, async () => {
      await Stage.with(async ({ folder }) => {
        for (const signal of ["SIGKILL", "SIGTERM"] as const) {
          const scratch = join(folder, "a scratch");
          mkdirSync(join(scratch, "inner"), { recursive: true });
          await supervised(
            program,
            [sh("sleep MARKER")],
            async (supervisor) => {
              await supervisor.says(/^started /m);
              supervisor.kill(signal);
              await until(() => !existsSync(scratch));
            },
            scratch,
          );
        }
      });
    });

    test("the guardian is started again when it dies, and knows what lives", SLOW, async () => {
      await supervised(program, [sh(`${STAY}wait`)], async (supervisor, left) => {
        const [, before] = await supervisor.says(/^guardian (\d+)$/m);
        await until(() => left().length >= 2);
        process.kill(Number(before), "SIGKILL");
        const after = await until(() =>
          [...supervisor.output().matchAll(/^guardian (\d+)$/gm)].map(([, pid]) => pid).find((pid) => pid !== before),
        );
        assert.notEqual(after, before);
        supervisor.kill("SIGKILL");
        await until("all processes are gone", 1_000, () => left().length === 0);
      });
    });

    test("a command that takes more memory than it may is killed, and its record says so", SLOW, async () => {
      const memory = { bytes: 60 * MB, beyond: "kill" } as const;
      // In a child of the command, and beyond its limit by little.
      const lines = [sh(`${take(80)} && exit 0`, { memory })];
      await supervised(program, lines, async (supervisor) => {
        await supervisor.says(/^left$/m);
        assert.match(endsOf(supervisor.output())[0]?.reason ?? "", /^out of memory: \d+ MB of 60 MB$/);
      });
    });

    const bounded = { ...SLOW, skip: !hasCalls };
    test("the kernel refuses it more than twice its limit", bounded, async () => {
      const memory = { bytes: 60 * MB, beyond: "tell" } as const;
      const script = 'until [ "$(ulimit -d)" = 122880 ]; do :; done; echo bounded';
      const lines = (["us", "nobody"] as const).map((bound) => sh(script, { memory, bound }));
      await supervised(program, lines, async (supervisor) => {
        await supervisor.says(/^left$/m);
        assert.deepEqual(
          endsOf(supervisor.output()).map(({ out }) => out),
          ["bounded\n", "bounded\n"],
        );
      });
    });

    test("the kernel takes it rather than the executor", SLOW, async () => {
      await supervised(
        program,
        [sh("cat /proc/$$/oom_score_adj; sleep 1; cat /proc/$$/oom_score_adj")],
        async (supervisor) => {
          await supervisor.says(/^left$/m);
          const own = Number(readFileSync("/proc/self/oom_score_adj", "latin1"));
          assert.match(endsOf(supervisor.output())[0]?.out ?? "", new RegExp(`^${Math.min(own + 500, 1_000)}\n$`, "m"));
        },
      );
    });

    const away = { ...SLOW, skip: !hasCalls };
    test("what gets away by two forks, a session and an empty environment ends with its command", away, async () => {
      for (const bound of ["us", "nobody"] as const) {
        await supervised(program, [sh(`${GET_AWAY}; sleep 1`, { bound })], async (supervisor, left) => {
          await until(() => left().some(isAway));
          assert.ok(!supervisor.output().includes("ended"), "it got away while its command ran");
          await supervisor.says(/^left$/m);
          assert.deepEqual(left(), []);
          assert.equal(endsOf(supervisor.output())[0]?.reason, "exit code 0");
        });
      }
    });
  });
}

/** It leads a session and has no environment: there is nothing by which it could be known. */
function isAway(pid: number): boolean {
  return factsOf(pid)?.session === pid && readFileSync(`/proc/${pid}/environ`).length === 0;
}

describe("commands that are bound to the executor", { skip: process.platform !== "linux" }, () => {
  test("they die with it even where the guardian died first", SLOW, async () => {
    const computing = sh("while :; do :; done # MARKER", { bound: "us" });
    await supervised(ON_BUN, [computing], async (supervisor, left) => {
      const [, guardian] = await supervisor.says(/^guardian (\d+)$/m);
      await until(() => left().length === 1);
      supervisor.kill("SIGSTOP");
      process.kill(Number(guardian), "SIGKILL");
      supervisor.kill("SIGKILL");
      await until("it is gone", 1_000, () => left().length === 0);
    });
  });

  test("what got away from them is known to the guardian, and ends with a killed executor", SLOW, async () => {
    await supervised(ON_BUN, [sh(`${GET_AWAY}; while :; do :; done`, { bound: "us" })], async (supervisor, left) => {
      const stray = await until(() => left().find(isAway));
      // Told at the next look, 4 a second: its parent is the command by then, which was given it.
      await supervisor.says(new RegExp(`^watched ${stray}$`, "m"));
      supervisor.kill("SIGKILL");
      await until("all processes are gone", 1_000, () => left().length === 0);
    });
  });
});
