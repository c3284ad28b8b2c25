/** Asks an executor over HTTP or its socket, wherever the command line or the settings say that it listens. */
import { request } from "node:http";
import { failAfter, openRoot, TooSlowError } from "../../concurrency/index.ts";
import { shownValue } from "../../config/redact.ts";
import type { Settings } from "../../config/settings.ts";
import { type Options, text } from "../arguments/flags.ts";
import { usageError } from "./exit.ts";

const ANSWER_LIMIT_MS = 2_000;

/** Where an executor is asked. */
export interface Asked {
  /** As errors name it, whole and in short. */
  readonly whole: string;
  readonly shown: string;
  /** Of its status. */
  readonly url: URL;
  /** The path of a Unix socket; null where the URL says it all. */
  readonly socketPath: string | null;
}

/**
 * Where --url or --listen say; null: a broker that was named on the command line is meant, and the executor of this
 * machine may work on another one.
 */
export function addressOf(settings: Settings, options: Options): Asked | null {
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

/**
 * @param token - for the API; null: none is sent.
 * @returns what it answered with 200; else, in words, why there is nothing.
 */
export async function ask(
  { socketPath }: Asked,
  url: URL,
  token: string | null = null,
): Promise<{ readonly text: string } | string> {
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  try {
    return await failAfter(openRoot(), ANSWER_LIMIT_MS, async ({ signal }) => {
      const response = await (socketPath === null
        ? fetch(url, { signal, headers, redirect: "manual" })
        : fetchThrough(socketPath, url, headers, signal));
      return response.ok ? { text: await response.text() } : `it answered ${response.status}`;
    });
  } catch (error) {
    if (error instanceof TooSlowError) return `no answer within ${ANSWER_LIMIT_MS / 1000} s`;
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EACCES" || code === "EPERM") return "this user may not use its socket";
    return code === "ENOENT" ? "there is no such socket" : "the connection is refused";
  }
}

/** fetch of the runtimes has no common way to a socket. */
function fetchThrough(
  socketPath: string,
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const path = `${url.pathname}${url.search}`;
    const asked = request({ socketPath, path, headers, signal, agent: false }, (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("error", reject);
      response.on("end", () => resolve(new Response(Buffer.concat(pieces), { status: response.statusCode ?? 500 })));
    });
    asked.on("error", reject);
    asked.end();
  });
}
