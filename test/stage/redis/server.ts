/**
 * A real redis-server for tests: its own free port, its own temporary folder, up before it is handed out, ended by pid.
 * It can be killed, stopped for a while (SIGSTOP) and started again over the same data, as machines do it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { connect as connectTls } from "node:tls";

import { openRoot, sleep } from "../../../src/concurrency/index.ts";
import { Command } from "../command.ts";

/** The certificate of the authority that signed all certificates of the tests. */
export const AUTHORITY = certificate("ca");

/** How long a server may take until it answers, in ms. */
const START_MS = 30_000;
/** How many ports are tried: one that was free may be taken before the server has it. */
const PORTS = 5;
/** Between two tries to have the same port again, in ms. */
const PORT_PAUSE_MS = 200;
/** How long a server may take to end after SIGTERM, in ms, before it is killed. */
const STOP_MS = 5000;

export interface RedisServerOptions {
  /** Writes every command to the disk before it answers, so that restart() finds it again after any kill. */
  readonly appendonly?: boolean;
  /** More arguments, as redis-server takes them: ["--maxmemory", "10mb"]. */
  readonly args?: readonly string[];
  /** Listens on a unix socket too, and `url` names that. */
  readonly unixSocket?: boolean;
  /** Speaks TLS alone, and `url` says so; with a certificate for 127.0.0.1 and localhost, or for another host. */
  readonly tls?: "server" | "elsewhere";
  /** The users that may come in, and no others, as redis.conf has them: "worker on >password ~* &* +@all". */
  readonly users?: readonly string[];
}

export interface RedisServer {
  /** redis://127.0.0.1:PORT/1 (rediss:// with TLS), or redis+unix:///PATH?db=1; without a user. */
  readonly url: string;
  readonly port: number;
  /** Of the server that runs, or ran last. */
  readonly pid: number;
  readonly dir: string;
  /** Runs the real redis-cli on db 1; `stdin` becomes the last argument. Rejects where Redis answers with an error. */
  cli(args: readonly string[], stdin?: string | Buffer): Promise<string>;
  /** Signals the server; after SIGKILL, SIGTERM or SIGINT resolves once it has ended. */
  kill(signal: "SIGKILL" | "SIGTERM" | "SIGINT" | "SIGSTOP" | "SIGCONT"): Promise<void>;
  /** Starts it again on the same port over the same folder; kills the one that runs. */
  restart(): Promise<void>;
  /** Ends the server and removes its folder. May be called twice. */
  stop(): Promise<void>;
}

/** Starts a server and waits until it answers. @throws Error where redis-server is missing, or does not start. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const dir = await mkdtemp(join(tmpdir(), "taskexe-redis-"));
  try {
    for (let ports = 1; ; ports++) {
      try {
        return await startOn(await freePort(), dir, options);
      } catch (error) {
        if (!(error instanceof PortTakenError) || ports === PORTS) throw error;
      }
    }
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

/** Another process listens on the port by now. */
class PortTakenError extends Error {}

async function startOn(port: number, dir: string, options: RedisServerOptions): Promise<RedisServer> {
  const socket = join(dir, "redis.sock");
  const config = join(dir, "redis.conf");
  // Not a user without rights: its rights are those with which Redis reads transactions back from the disk, and what it
  // may not do would be lost (https://github.com/redis/redis/issues/14541).
  const users = options.users === undefined ? [] : ["default off ~* &* +@all", ...options.users];
  await writeFile(config, users.map((user) => `user ${user}\n`).join(""));
  const args = [
    ...[config, "--bind", "127.0.0.1", "--dir", dir, "--logfile", join(dir, "redis.log")],
    ...(options.tls ? tlsArgs(port, options.tls) : ["--port", String(port)]),
    ...["--daemonize", "no", "--save", "", "--databases", "16"],
    ...(options.appendonly ? ["--appendonly", "yes", "--appendfsync", "always"] : ["--appendonly", "no"]),
    ...(options.unixSocket ? ["--unixsocket", socket, "--unixsocketperm", "700"] : []),
    ...(options.args ?? []),
  ];
  let child = await start(args, port, dir, options);
  return {
    url: options.unixSocket
      ? `redis+unix://${socket}?db=1`
      : `${options.tls ? "rediss" : "redis"}://127.0.0.1:${port}/1`,
    port,
    get pid() {
      return child.pid ?? 0;
    },
    dir,
    cli: (given, stdin) => runCli(port, given, stdin),
    kill: (signal) => end(child, signal),
    async restart() {
      await end(child, "SIGKILL");
      child = await startAgain(args, port, dir, options);
    },
    async stop() {
      await end(child, "SIGTERM");
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function certificate(name: string): string {
  return resolve(import.meta.dirname, `tls/${name}.crt`);
}

function tlsArgs(port: number, name: string): string[] {
  const key = resolve(import.meta.dirname, "tls/server.key");
  return [
    ...["--port", "0", "--tls-port", String(port), "--tls-auth-clients", "no"],
    ...["--tls-cert-file", certificate(name), "--tls-key-file", key, "--tls-ca-cert-file", AUTHORITY],
  ];
}

/** On the port that it had: whoever took it meanwhile (a connection from here to elsewhere may) is waited for. */
async function startAgain(...parameters: Parameters<typeof start>): Promise<ChildProcess> {
  const until = performance.now() + START_MS;
  for (;;) {
    try {
      return await start(...parameters);
    } catch (error) {
      if (!(error instanceof PortTakenError) || performance.now() > until) throw error;
    }
    await sleep(PORT_PAUSE_MS, openRoot().signal);
  }
}

async function start(
  args: readonly string[],
  port: number,
  dir: string,
  options: RedisServerOptions,
): Promise<ChildProcess> {
  const child = spawn("redis-server", args, { stdio: "ignore" });
  // Waits for "spawn"; rejects with "error", which comes where the program is missing.
  await once(child, "spawn").catch((error: unknown) => {
    throw new Error(
      "these tests need a real redis-server (7.0 or later) in the PATH; on Debian: apt-get install redis-server",
      { cause: error },
    );
  });
  const { signal } = openRoot();
  const until = performance.now() + START_MS;
  while (!(await answers(port, options.tls !== undefined))) {
    if (child.exitCode !== null || performance.now() > until) {
      child.kill("SIGKILL");
      const log = await readFile(join(dir, "redis.log"), "utf8").catch(() => "no log");
      const told = `redis-server on port ${port} did not start; its log ends with:\n${log.slice(-2000)}`;
      throw log.slice(-2000).includes("Address already in use") ? new PortTakenError(told) : new Error(told);
    }
    await sleep(10, signal);
  }
  return child;
}

async function runCli(port: number, args: readonly string[], stdin?: string | Buffer): Promise<string> {
  const input = stdin === undefined ? [] : ["-x"];
  const line = ["redis-cli", "-e", "-p", String(port), "-n", "1", ...input, ...args] as const;
  const { code, stdout, stderr } = await Command.run(line, { stdin });
  if (code !== 0) throw new Error(`redis-cli ${args.join(" ").slice(0, 200)}: ${stdout}${stderr}`);
  return stdout.replace(/\n$/, "");
}

async function end(child: ChildProcess, signal: Parameters<RedisServer["kill"]>[0]): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(signal);
  if (signal === "SIGSTOP" || signal === "SIGCONT") return;
  // A stopped server must go on to be ended.
  child.kill("SIGCONT");
  const killer = signal === "SIGKILL" ? undefined : setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await exited;
  clearTimeout(killer);
}

/** Whether the server answers a PING; one that still loads its data does not. To ask for a password is an answer. */
function answers(port: number, tls: boolean): Promise<boolean> {
  const at = { port, host: "127.0.0.1" };
  return new Promise((answer) => {
    const socket = tls ? connectTls({ ...at, rejectUnauthorized: false }) : connect(at);
    socket.once(tls ? "secureConnect" : "connect", () => socket.write("PING\r\n"));
    socket.once("data", (data) => {
      answer(/^(\+PONG|-NOAUTH)/.test(data.toString()));
      socket.destroy();
    });
    socket.once("error", () => answer(false));
    socket.once("close", () => answer(false));
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no free port was found");
  return address.port;
}
