import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ConfigError } from "../../src/config/config-error.ts";
import { readSettings } from "../../src/config/settings.ts";
import type { HandlerTables } from "../../src/config/tables/handler-tables.ts";
import { RUN_OPTION_ROWS } from "../../src/task/options/run-options.ts";

const folder = mkdtempSync(join(tmpdir(), "taskexe-tables-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, "taskexe.toml");

function tables(text: string): HandlerTables {
  writeFileSync(path, text);
  return readSettings({}, { HOME: "/h" }, { configFile: path }).tables;
}

/** What is said of a wrong file, without the file's own path. */
function problems(text: string): readonly string[] {
  try {
    tables(text);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems.map((problem) => problem.replaceAll(`${path}:`, ""));
  }
  return assert.fail("no ConfigError came");
}

test("without a file, and in one of plain settings, there are no tables", () => {
  const none = { workers: [], execs: [], https: [], sources: [] };
  assert.deepEqual(readSettings({}, { HOME: "/h", TASKEXE_CONFIG: "off" }).tables, none);
  assert.deepEqual(tables("concurrency = 3\n"), none);
});

test("a worker has its command, and defaults for the rest", () => {
  const { workers } = tables('[worker.ocr]\ncommand = ["python3", "worker.py"]\n');
  assert.deepEqual(workers, [
    {
      name: "ocr",
      origin: `${path}:[worker.ocr]`,
      command: ["python3", "worker.py"],
      types: null,
      cwd: folder,
      env: {},
      processes: null,
      concurrency: 1,
      isolation: null,
      maxTasks: null,
      maxRssBytes: null,
      startTimeoutMs: null,
    },
  ]);
});

test("a worker says all of it", () => {
  const { workers } = tables(`
    [worker.ocr]
    command = ["./bin/ocr", "--fast"]
    types = ["ocr", "scan"]
    cwd = "py"
    env = { MODEL = "large" }
    processes = 4
    concurrency = 8
    isolation = "own"
    max_tasks = 1000
    max_rss = "512MB"
    start_timeout = "5m"
  `);
  assert.deepEqual(workers, [
    {
      name: "ocr",
      origin: `${path}:[worker.ocr]`,
      command: [join(folder, "py/bin/ocr"), "--fast"],
      types: ["ocr", "scan"],
      cwd: join(folder, "py"),
      env: { MODEL: "large" },
      processes: 4,
      concurrency: 8,
      isolation: "own",
      maxTasks: 1_000,
      maxRssBytes: 512_000_000,
      startTimeoutMs: 300_000,
    },
  ]);
});

test("a command has a folder of its own unless it names one, and its options", () => {
  const { execs } = tables(`
    [exec.thumbnail]
    command = ["convert", "{input}", "out.png"]
    timeout = "30s"
    attempts = 5
    retention = "1h"
    backoff = "exponential:1s:10m"
    crash_budget = 0
    queue = "images"
    priority = 1
    delay = 2
    deadline = "1d"
    [exec."image.shrink"]
    command = ["./shrink"]
    cwd = "/srv"
    env = { TZ = "UTC" }
  `);
  const options = { timeoutMs: 30_000, attempts: 5, retentionMs: 3_600_000, crashBudget: 0 };
  const backoff = { kind: "exponential", delay_ms: 1_000, max_ms: 600_000 };
  const enqueue = { queue: "images", priority: 1, delayMs: 2_000, deadlineMs: 86_400_000 };
  assert.deepEqual(execs, [
    {
      type: "thumbnail",
      origin: `${path}:[exec.thumbnail]`,
      command: ["convert", "{input}", "out.png"],
      cwd: null,
      env: {},
      options: { ...options, backoff, ...enqueue },
    },
    {
      type: "image.shrink",
      origin: `${path}:[exec."image.shrink"]`,
      command: ["/srv/shrink"],
      cwd: "/srv",
      env: { TZ: "UTC" },
      options: {},
    },
  ]);
});

test("an endpoint has its URL, its secret beside the file, and hosts that it may send on to", () => {
  const { https } = tables(`
    [http."mail.send"]
    url = "https://example.com/tasks"
    secret_file = "mail.secret"
    allow = ["api.example.com", "10.0.0.0/8", "[fd00::1]:8443"]
    headers = { Authorization = "Bearer abc" }
    timeout = 5
    [http.plain]
    url = "http://127.0.0.1:9000"
    secret_file = "~/plain.secret"
  `);
  assert.deepEqual(https, [
    {
      type: "mail.send",
      origin: `${path}:[http."mail.send"]`,
      url: "https://example.com/tasks",
      secretFile: join(folder, "mail.secret"),
      allow: ["api.example.com", "10.0.0.0/8", "[fd00::1]:8443"],
      headers: { Authorization: "Bearer abc" },
      options: { timeoutMs: 5_000 },
    },
    {
      type: "plain",
      origin: `${path}:[http.plain]`,
      url: "http://127.0.0.1:9000",
      secretFile: join(homedir(), "plain.secret"),
      allow: [],
      headers: {},
      options: {},
    },
  ]);
});

test("every option of how a task is run can stand in a table", () => {
  for (const [name, { json, kind }] of RUN_OPTION_ROWS) {
    const value = { number: "1", duration: '"1s"', backoff: '"fixed:1s"', type: '"other"' }[kind];
    const { execs } = tables(`[exec.a]\ncommand = ["a"]\n${json.replace(/_ms$/, "")} = ${value}\n`);
    assert.deepEqual(Object.keys(execs[0]?.options ?? {}), [name]);
  }
});

test("every problem is told with its table, its key and what was expected, all of them at once", () => {
  assert.deepEqual(
    problems(`
      [worker.ocr]
      command = "python3 worker.py"
      proceses = 2
      concurrency = 0
      [worker."a b"]
      command = ["a"]
      [exec.shrink]
      timeout = "soon"
      backoff = "linear"
      [http.mail]
      url = "ftp://example.com"
      allow = ["http://example.com"]
      priority = 10
      queue = "x-cancel"
      secret-file = "a"
    `),
    [
      '[worker.ocr] command: expected a list of the program and its arguments, like ["python3", "worker.py"]; ' +
        'no shell reads it, got "python3 worker.py"',
      "[worker.ocr] concurrency: expected a whole number from 1 to 10000, got 0",
      "[worker.ocr]: unknown key proceses; did you mean processes?",
      '[worker."a b"]: expected a name of letters, digits and . _ -, at most 64 of them',
      "[exec.shrink]: command is missing",
      "[exec.shrink] backoff: expected fixed:DELAY, or exponential:FIRST[:MOST], like fixed:5s or " +
        'exponential:1s:10m, up to 36525d, got "linear"',
      "[exec.shrink] timeout: expected a duration from 0s to 36525d (500ms, 30s, 5m, 1h; a plain number counts " +
        'seconds), got "soon"',
      '[http.mail] url: expected a URL with http:// or https://, got "ftp://example.com"',
      "[http.mail] allow: expected a list of hosts: each a host, an address or a network, like api.example.com, " +
        '10.1.2.3:8443, [fd00::1] or 10.0.0.0/8, got "http://example.com"',
      '[http.mail] queue: expected the name of a queue, which does not end in "-cancel", got "x-cancel"',
      "[http.mail] priority: expected a whole number from 0 to 9, got 10",
      "[http.mail]: unknown key secret-file; did you mean secret_file?",
    ],
  );
});

test("what is no table is refused, and a dot in a name gets the advice to quote it", () => {
  assert.deepEqual(problems('http = "https://example.com"\n'), [
    'http: expected tables [http.TYPE], got "https://example.com"',
  ]);
  assert.deepEqual(problems('[http]\nmail = "https://example.com"\n'), [
    '[http.mail]: expected a table, got "https://example.com"',
  ]);
  assert.deepEqual(problems("[[exec.shrink]]\n"), ["[exec.shrink]: expected a table, got [{}]"]);
  assert.deepEqual(problems('[http.mail.send]\nurl = "https://example.com"\n'), [
    "[http.mail]: url is missing",
    '[http.mail]: unknown key send; for the name mail.send write [http."mail.send"]',
  ]);
  assert.deepEqual(problems('[worker.ocr.command]\nurl = "x"\n').length, 1);
  assert.match(problems("[htp.mail]\n")[0] ?? "", /unknown key htp; did you mean http\?/);
});

test("a type that two tables define is refused with both places", () => {
  assert.deepEqual(
    problems(`
      [worker.ocr]
      command = ["a"]
      types = ["scan"]
      [exec.scan]
      command = ["b"]
      [http.scan]
      url = "https://example.com"
    `),
    [
      'two handlers for the type "scan": [worker.ocr] and [exec.scan]; remove one of them',
      'two handlers for the type "scan": [worker.ocr] and [http.scan]; remove one of them',
    ],
  );
});

test("no error shows what may be a secret", () => {
  const found = problems(`
    [worker.ocr]
    command = ["a"]
    env = { KEY = "s3cret-1", PORT = 80 }
    [http.mail]
    url = "https://user:s3cret-2@example.com/x"
    headers = { Authorization = "s3cret-3", Host = "x" }
    [http.chat]
    url = "htps://example.com/s3cret-4/hook"
    headers = "s3cret-5"
  `);
  assert.equal(found.length, 5);
  assert.match(
    found[0] ?? "",
    /env: expected a table of variables .*, got a table of KEY \(string\), PORT \(number\)$/,
  );
  assert.match(found[1] ?? "", /url: expected a URL without user and password; put them into headers/);
  assert.match(found[2] ?? "", /headers: expected headers that a request does not set by itself/);
  assert.equal(found.filter((problem) => problem.includes("s3cret")).length, 0, found.join("\n"));
});
