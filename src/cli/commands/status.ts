/**
 * `taskexe status`: what the executor at --listen (or --url) says of itself; where none answers, or a broker was asked
 * for by name, what the broker knows: its queues and who beats. An executor that works on another broker than the
 * configuration names is told with a note.
 */

import { request } from "node:http";
import type { Command } from "commander";
import * as v from "valibot";
import type { Broker } from "../../broker/broker.ts";
import { placeOf } from "../../broker/drivers.ts";
import { failAfter, openRoot, TooSlowError } from "../../concurrency/index.ts";
import { shownValue } from "../../config/redact.ts";
import type { Settings } from "../../config/settings.ts";
import { seenQueues } from "../../operations/queues.ts";
import { brokerView } from "../../operations/views/broker-view.ts";
import { memberView } from "../../operations/views/member-view.ts";
import { isoWithOffset } from "../../task/times/iso-time.ts";
import { type Options, settingsOf, text, withBrokerFlags } from "../arguments/flags.ts";
import { note, printJson } from "../output/print.ts";
import { showExecutor, showFleet } from "../output/show-status.ts";
import { CommandFailure, usageError } from "../process/exit.ts";
import { ExecutorAnswerSchema } from "../process/status-answer.ts";
import { brokerOf, withBroker } from "../process/with-broker.ts";

const ANSWER_LIMIT_MS = 2_000;

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("show what the executor of this machine does, else what the broker knows")
    .option("--listen <host:port>", "where the executor listens, or unix:/PATH")
    .option("--url <url>", "the address of an executor's HTTP, on any machine")
    .option("--queues <names>", "the queues to count, with commas between them")
    .option("--json", "print JSON")
    .action(async (options: Options) => exit(await status(options)));
}

/** Runs the command. Returns the exit code. */
async function status(options: Options): Promise<number> {
  const settings = settingsOf(options);
  const asked = addressOf(settings, options);
  if (asked !== null) {
    const answer = await ask(asked);
    if (typeof answer !== "string") {
      await noteOtherBroker(settings, asked.shown, answer.checked.broker.url);
      if (options.json) printJson(answer.whole);
      else showExecutor(answer.checked);
      return 0;
    }
    if (options.url) throw new CommandFailure(`no executor answers at ${asked.whole}: ${answer}`);
    note(`taskexe: no executor answers at ${asked.shown} (${answer}); this is what the broker knows`);
  }
  return withBroker(settings, (broker) => tellBroker(broker, options));
}

/** Where an executor is asked. */
interface Asked {
  /** As errors name it, whole and in short. */
  readonly whole: string;
  readonly shown: string;
  readonly url: URL;
  /** The path of a Unix socket; null where the URL says it all. */
  readonly socketPath: string | null;
}

// A broker that was named on the command line is meant: the executor of this machine may work on another one.
function addressOf(settings: Settings, options: Options): Asked | null {
  const given = text(options.url);
  if (given !== undefined) {
    const socket = /^unix:(?:\/\/)?(\/.+)$/.exec(given)?.[1];
    if (socket !== undefined) return throughSocket(socket);
    if (!URL.canParse(given) || !/^https?:$/.test(new URL(given).protocol)) {
      throw usageError(`flag --url: expected http://HOST:PORT or unix:/PATH, got ${shownValue(given)}`, "status");
    }
    const url = new URL(given);
    return through(url.pathname === "/" ? new URL("/status", url) : url);
  }
  if (settings.listen === null || ((options.broker || options.brokerFile) && !options.listen)) return null;
  const { hostname, port } = settings.listen;
  if (hostname.startsWith("unix:")) return throughSocket(hostname.slice("unix:".length));
  const host = hostname === "0.0.0.0" ? "127.0.0.1" : hostname === "::" ? "::1" : hostname;
  return through(new URL(`http://${host.includes(":") ? `[${host}]` : host}:${port}/status`));
}

function through(url: URL): Asked {
  return { whole: `${url.origin}${url.pathname}`, shown: url.host, url, socketPath: null };
}

function throughSocket(socketPath: string): Asked {
  const shown = `unix:${socketPath}`;
  return { whole: shown, shown, url: new URL("http://localhost/status"), socketPath };
}

async function ask(
  asked: Asked,
): Promise<{ whole: unknown; checked: v.InferOutput<typeof ExecutorAnswerSchema> } | string> {
  try {
    return await failAfter(openRoot(), ANSWER_LIMIT_MS, async ({ signal }) => {
      const response = await (asked.socketPath === null
        ? fetch(asked.url, { signal, redirect: "manual" })
        : fetchThrough(asked.socketPath, asked.url, signal));
      if (!response.ok) return `it answered ${response.status}`;
      const whole: unknown = await response.json();
      const checked = v.safeParse(ExecutorAnswerSchema, whole);
      return checked.success ? { whole, checked: checked.output } : "something else than an executor answered";
    });
  } catch (error) {
    if (error instanceof TooSlowError) return `no answer within ${ANSWER_LIMIT_MS / 1000} s`;
    if (error instanceof SyntaxError) return "something else than an executor answered";
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EACCES" || code === "EPERM") return "this user may not use its socket";
    return code === "ENOENT" ? "there is no such socket" : "the connection is refused";
  }
}

/** fetch of the runtimes has no common way to a socket. */
function fetchThrough(socketPath: string, url: URL, signal: AbortSignal): Promise<Response> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: url.pathname, signal, agent: false }, (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("error", reject);
      response.on("end", () => resolve(new Response(Buffer.concat(pieces), { status: response.statusCode ?? 500 })));
    });
    asked.on("error", reject);
    asked.end();
  });
}

/** Whoever named a broker means that one: what an executor on another one does is easily taken for it. */
async function noteOtherBroker(settings: Settings, executor: string, worksOn: string): Promise<void> {
  if (settings.origins.broker === "default") return;
  const meant = await brokerOf(settings, null);
  await meant.close();
  if (placeOf(meant.url) === placeOf(worksOn)) return;
  const named = `${meant.url} (${settings.origins.broker})`;
  note(`taskexe: the executor at ${executor} works on ${worksOn}, not on ${named}; --listen off asks that one`);
}

async function tellBroker(broker: Broker, options: Options): Promise<number> {
  const { queues, fleet, leftOut } = await seenQueues(broker);
  const backlog = await broker.backlog();
  const countedAt = broker.now();
  const answer = { broker: brokerView(broker), queues, queues_left_out: leftOut, ...backlog };
  if (options.json) printJson({ ...answer, counted_at: isoWithOffset(countedAt), fleet: fleet.map(memberView) });
  else showFleet({ ...answer, countedAt, fleet });
  return 0;
}
