/**
 * Users without a home, or without rights, and the queue of this machine's service. As root the commands run as another
 * user; as anybody else, to whom a file of one's own can be closed too, as oneself.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { BUN, ROOT } from "../stage/command.ts";

const isRoot = process.getuid?.() === 0;
const SOMEBODY = 54_321;
const AS = isRoot ? { uid: SOMEBODY, gid: SOMEBODY } : {};
const SERVICE = isRoot ? { uid: 54_322, gid: 54_322 } : {};

let root: string;
let service: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "taskexe-users-"));
  chmodSync(root, 0o755);
  service = join(root, "var/lib/taskexe");
});
afterEach(() => {
  if (existsSync(service)) chmodSync(service, 0o700);
  rmSync(root, { recursive: true, force: true });
});

/** Runs a command with nothing in the environment but what is given. */
async function run(given: readonly string[], env: Record<string, string> = {}, as: object = AS) {
  const { PATH = "" } = process.env;
  const child = spawn(BUN, [join(ROOT, "src/main.ts"), ...given], {
    ...as,
    cwd: "/",
    env: { PATH, TASKEXE_ROOT: root, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const written = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      written[name] += text;
      if (written[name].includes("INF taskexe ") && !child.killed) child.kill("SIGTERM");
    });
  }
  const [code] = await once(child, "close");
  return { ...written, code };
}

/** What systemd makes for the service: a folder that its group shares, and the queue that the service makes there. */
async function installService(mode = 0o2770): Promise<void> {
  mkdirSync(service, { recursive: true });
  if (isRoot) chownSync(service, 54_322, 54_322);
  chmodSync(service, 0o2770);
  const { code, stderr } = await run(["enqueue", "noop", "--id", "its"], { STATE_DIRECTORY: service }, SERVICE);
  assert.equal(code, 0, stderr);
  chmodSync(service, mode);
}

test("a user without a home is told what to do, and needs none with a broker and a name", async () => {
  const HOME = "none";
  for (const command of [["enqueue", "noop"], ["list"], ["run", "--listen", "off"]]) {
    const { code, stderr } = await run(command, { HOME });
    assert.match(stderr, /^taskexe: this user \(uid \d+\) has no home directory .*set STATE_DIRECTORY .*--broker\n$/);
    assert.equal(code, 2);
  }
  const open = join(root, "open");
  mkdirSync(open);
  chmodSync(open, 0o1777);
  const broker = ["--broker", `sqlite:${open}/queue.db`];
  assert.equal((await run(["enqueue", "noop", ...broker], { HOME })).code, 0);
  const unnamed = await run(["run", "--listen", "off", ...broker], { HOME });
  assert.match(unnamed.stderr, /no home directory .* where the executor's name could be kept; .* --name\n$/);
  assert.equal(unnamed.code, 2);
  assert.equal((await run(["run", "--listen", "off", "--name", "n", ...broker], { HOME })).code, 0);
});

test("plain commands of a member of its group find the service's queue, and the service theirs", async () => {
  await installService();
  const member = isRoot ? { uid: SOMEBODY, gid: 54_322 } : {};
  const { code, stderr } = await run(["enqueue", "noop", "--id", "mine"], { HOME: "/nowhere" }, member);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(statSync(join(service, "queue.db")).mode & 0o777, 0o660);
  const listed = await run(["list"], { STATE_DIRECTORY: service }, SERVICE);
  assert.match(listed.stdout, /^its .*\nmine /m);
});

test("who is no member is told how to become one, by every command, and can name another queue", async () => {
  await installService(isRoot ? 0o2770 : 0);
  for (const command of [["enqueue", "noop"], ["list"], ["run", "--listen", "off"]]) {
    const { code, stdout, stderr } = await run(command, { HOME: root });
    assert.match(
      stderr,
      /^taskexe: the queue of this machine's taskexe service, \S+queue\.db, is closed to .*: become a/,
    );
    const advice = /: become a member of its group \(usermod -aG taskexe USER, then log in anew\), or name another /;
    assert.match(stderr, advice);
    assert.match(stderr, /, or name another queue with --broker\n$/);
    assert.deepEqual([code, stdout], [2, ""]);
  }
  const own = await run(["list", "--broker", `sqlite:${root}/none.db`], { HOME: root });
  assert.match(own.stderr, /there is no such file/);
});

test("settings of this machine that a user may not read are refused, unless a broker is named", async () => {
  mkdirSync(join(root, "etc/taskexe"), { recursive: true });
  const file = join(root, "etc/taskexe/taskexe.toml");
  writeFileSync(file, 'broker = "redis://fleet"\n');
  chmodSync(file, 0);
  const { code, stderr } = await run(["list"], { HOME: root });
  assert.match(
    stderr,
    /^taskexe: the settings of this machine, \S+taskexe\.toml, .* are closed to this user: .*--config off/,
  );
  assert.equal(code, 2);
  const named = await run(["list", "--broker", `sqlite:${root}/none.db`], { HOME: root });
  assert.match(named.stderr, /there is no such file/);
  assert.match((await run(["list", "--config", "off"], { HOME: root })).stderr, /cannot be made|^$/);
});

test("a file of another user, and a folder that is closed, are told with why", async () => {
  const closed = join(root, "closed");
  mkdirSync(closed);
  writeFileSync(join(closed, "queue.db"), "");
  chmodSync(join(closed, "queue.db"), isRoot ? 0o600 : 0o400);
  const broker = ["--broker", `sqlite:${closed}/queue.db`];
  assert.match((await run(["list", ...broker])).stderr, /cannot be opened: this user may not write there/);
  chmodSync(join(closed, "queue.db"), 0o666);
  chmodSync(closed, 0o555);
  assert.match((await run(["list", ...broker])).stderr, /cannot be opened: this user may not write there/);
  chmodSync(closed, 0o755);
});

test("a state folder or a database that others may write, or that is another user's, is refused", async () => {
  const open = join(root, "open");
  const broker = ["--broker", `sqlite:${open}/queue.db`];
  mkdirSync(open);
  const owner = isRoot ? SOMEBODY : (process.getuid?.() ?? 0);
  if (isRoot) chownSync(open, SOMEBODY, SOMEBODY);
  assert.equal((await run(["enqueue", "noop", ...broker])).code, 0);

  chmodSync(open, 0o777);
  for (const command of [
    ["list", ...broker],
    ["enqueue", "noop", ...broker],
  ]) {
    const { code, stderr } = await run(command);
    assert.match(stderr, /^taskexe: .*every user of this machine may write to \S+open, .*; chmod o-w it/);
    assert.notEqual(code, 0);
  }
  const named = await run(["run", "--listen", "off"], { STATE_DIRECTORY: open });
  assert.match(named.stderr, /every user of this machine may write to/);
  chmodSync(open, 0o700);
  for (const file of ["queue.db", "queue.db-wal"]) {
    const path = join(open, file);
    if (!existsSync(path)) writeFileSync(path, "");
    if (isRoot) chownSync(path, owner, owner);
    chmodSync(path, 0o666);
    assert.match((await run(["list", ...broker])).stderr, new RegExp(`may write to \\S+${file},`));
    chmodSync(path, 0o600);
  }
  assert.equal((await run(["list", ...broker])).code, 0);

  if (!isRoot) return;
  // Root would else run what another user has put there.
  const foreign = await run(["list", ...broker], {}, {});
  assert.match(foreign.stderr, /open belongs to another user \(uid 54321\), not to this one \(uid 0\): use a place/);
  chownSync(open, 0, 0);
  assert.match((await run(["list", ...broker], {}, {})).stderr, /queue\.db belongs to another user \(uid 54321\)/);
});
