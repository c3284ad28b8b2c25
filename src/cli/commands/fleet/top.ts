/**
 * `taskexe top`: the fleet and its queues, live in the terminal: drawn anew each second until q or ctrl-C. With --once,
 * or where the output is no terminal, one frame and the end. What a frame shows is top-frame.ts.
 */
import type { Command } from "commander";
import { type Broker, BrokerUnavailableError } from "../../../broker/broker.ts";
import { type CancelScope, sleep, withScope } from "../../../concurrency/index.ts";
import { seenQueues } from "../../../operations/queues.ts";
import { memberView } from "../../../operations/views/member-view.ts";
import { pausedView } from "../../../operations/views/pause-view.ts";
import { isoWithOffset } from "../../../task/times/iso-time.ts";
import { type Options, settingsOf, withBrokerFlags } from "../../arguments/flags.ts";
import { standardOutput } from "../../output/outlets.ts";
import { printJson, printLine } from "../../output/print.ts";
import { type FleetView, frameOf } from "../../output/top-frame.ts";
import { withBroker } from "../../process/with-broker.ts";

const REDRAW_MS = 1_000;
/** How many running tasks are read for one frame. */
const MOST_RUNNING = 100;

/** q, Q, ctrl-C, ctrl-D: in raw mode the terminal makes no signals of them. */
const ENOUGH = ["q", "Q", "\x03", "\x04"];

const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("the fleet and its queues, live; q or ctrl-C leaves")
    .option("--queues <names>", "the queues to show, with commas between them")
    .option("--once", "print one frame")
    .option("--json", "print one frame as JSON")
    .action(async (options: Options) => exit(await top(options)));
}

/** Runs the command. Returns the exit code. */
async function top(options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker, scope) => {
    if (options.json) printJson(frameJson(await look(broker)));
    else if (options.once || !standardOutput.isTerminal) {
      for (const line of frameOf(await look(broker), { colours: false })) printLine(line);
    } else await live(broker, scope);
    return 0;
  });
}

/** Reads what one frame shows. */
async function look(broker: Broker): Promise<FleetView> {
  const running = await broker.list({ state: "running", limit: MOST_RUNNING });
  const targets = await broker.paused();
  const { queues, fleet } = await seenQueues(broker);
  return {
    url: broker.url,
    counted_at: Math.round(broker.now()),
    queues,
    paused: pausedView(targets),
    fleet,
    running: running.tasks,
  };
}

/** The same as JSON: its times are those of a status, the tasks' those of a task. */
function frameJson({ counted_at: countedAt, fleet, ...view }: FleetView): object {
  return { ...view, counted_at: isoWithOffset(countedAt), fleet: fleet.map(memberView) };
}

async function live(broker: Broker, scope: CancelScope): Promise<void> {
  standardOutput.write(ENTER);
  try {
    await withScope(scope, { name: "top" }, async (drawing) => {
      const undoKeys = onKeys((key) => {
        if (ENOUGH.includes(key)) drawing.cancel("the user has seen enough");
      });
      try {
        await draw(broker, drawing.signal);
      } finally {
        undoKeys();
      }
    });
  } finally {
    standardOutput.write(LEAVE);
  }
}

async function draw(broker: Broker, signal: AbortSignal): Promise<never> {
  let view: FleetView | null = null;
  for (;;) {
    let problem: string | null = null;
    try {
      view = await look(broker);
    } catch (error) {
      if (!(error instanceof BrokerUnavailableError)) throw error;
      problem = error.message;
    }
    signal.throwIfAborted();
    if (view !== null) show(view, problem);
    await sleep(REDRAW_MS, signal);
  }
}

/** Over the frame before, line by line: clearing the screen first would flicker. */
function show(view: FleetView, problem: string | null): void {
  // A terminal that is held (ctrl-S) gets the newest frame once it goes on, not all that it missed.
  if (standardOutput.waitingBytes > 0) return;
  const { columns, rows } = standardOutput.size;
  const lines = frameOf(view, { colours: !process.env.NO_COLOR, columns, rows, problem });
  standardOutput.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join("\r\n")}\x1b[J`);
}

/** Tells each key as it is pressed; returns what undoes it. Does nothing where nobody can press any. */
function onKeys(pressed: (key: string) => void): () => void {
  const { stdin } = process;
  if (!stdin.isTTY) return () => {};
  const listen = (data: Buffer) => {
    for (const key of data.toString()) pressed(key);
  };
  stdin.setRawMode(true);
  stdin.on("data", listen);
  stdin.resume();
  return () => {
    stdin.off("data", listen);
    stdin.setRawMode(false);
    stdin.pause();
  };
}
