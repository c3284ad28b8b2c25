/**
 * `make run`: starts the executable with the examples on an embedded queue under .state/, has it cut real documents
 * of this repository into chunks, shows that they ran, and stays in the foreground until ctrl-C drains it.
 * Everything goes through the executable itself, as a user would type it.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join, relative, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const ROOT = resolve(import.meta.dirname, "..");
const PROGRAM = join(ROOT, "dist/taskexe");
const STATE = join(ROOT, ".state");
const CHUNKS = join(STATE, "chunks");
const DOCUMENTS = ["README.md", "CHANGELOG.md", "LICENSE", "examples/README.md"];
const READY_LIMIT_MS = 15_000;

mkdirSync(CHUNKS, { recursive: true });
const port = (await isFree(8080)) ? 8080 : await freePort();
const environment = { ...process.env, STATE_DIRECTORY: STATE, TASKEXE_LISTEN: `127.0.0.1:${port}` };

const executor = spawn(PROGRAM, ["run", "--tasks", "examples"], { cwd: ROOT, env: environment, stdio: "inherit" });
const ended = once(executor, "exit");
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stopOnce(signal));

if (await isReady()) feed();
const [exitCode] = await ended;
process.exitCode = typeof exitCode === "number" ? exitCode : 1;

// A ctrl-C reaches the executor too, since it is of the same process group, and a second signal would end it at once.
// So it is handed on only where the executor has not heard of it.
async function stopOnce(signal: NodeJS.Signals): Promise<void> {
  await pause(300);
  const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
  if (response?.ok) executor.kill(signal);
}

function feed(): void {
  say("\nThe executor is up. Some documents of this repository for it:\n");
  for (const path of DOCUMENTS.filter((document) => existsSync(join(ROOT, document)))) {
    const out = relative(ROOT, join(CHUNKS, `${path.replaceAll("/", "-")}.jsonl`));
    const payload = JSON.stringify({ path, out });
    say(`$ taskexe enqueue chunk_document '${payload}' --wait`);
    say(taskexe("enqueue", "chunk_document", payload, "--wait"));
  }
  say("$ taskexe status");
  say(taskexe("status"));
  const listen = port === 8080 ? "" : ` TASKEXE_LISTEN=127.0.0.1:${port}`;
  const prefix = `STATE_DIRECTORY=${relative(process.cwd(), STATE)}${listen} ${relative(process.cwd(), PROGRAM)}`;
  say(`The chunks are in ${relative(ROOT, CHUNKS)}/. Now try, in another terminal:

  curl http://127.0.0.1:${port}/status                  what it is doing
  curl 'http://127.0.0.1:${port}/status/tree?format=text'   every nursery and task that lives
  ${prefix} enqueue echo '{"hello": "world"}' --wait
  ${prefix} enqueue sleep '{"ms": 600000}'    prints an id
  ${prefix} cancel ID                         and it is gone within a second
  ${prefix} --help

Ctrl-C drains it: what runs may finish, the rest stays in the queue for the next start.
`);
}

function taskexe(...given: string[]): string {
  const { stdout, stderr } = spawnSync(PROGRAM, given, {
    cwd: ROOT,
    env: environment,
    encoding: "utf8",
    timeout: 60_000,
  });
  return `${stdout}${stderr}`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** True once tasks are claimed; false when the executor ended or took too long. */
async function isReady(): Promise<boolean> {
  const limit = performance.now() + READY_LIMIT_MS;
  while (executor.exitCode === null && executor.signalCode === null && performance.now() < limit) {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
    if (response?.ok) return true;
    await pause(20);
  }
  return false;
}

async function isFree(wanted: number): Promise<boolean> {
  const server = createServer();
  const listening = once(server, "listening").then(
    () => true,
    () => false,
  );
  server.listen(wanted, "127.0.0.1");
  const free = await listening;
  server.close();
  return free;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address !== null ? address.port : 0;
}
