/**
 * RagFlow's tasks on an executor with the worker of examples/ragflow, as its taskexe.toml has it: messages as RagFlow's
 * producers write them, a checkout that stands in for RagFlow's (its names and shapes, over a file for MySQL), real
 * Redis and the built executable.
 * @long about 40 s
 */
import assert from "node:assert/strict";
import { copyFile, cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, test } from "node:test";
import { Redis } from "ioredis";
import { ROOT } from "../stage/command.ts";
import type { ExecutorProcess } from "../stage/executor.ts";
import { builtOnce, type Program } from "../stage/programs.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { PATIENCE_MS, until } from "../stage/until.ts";

const EXAMPLE = join(ROOT, "examples/ragflow");
const TABLES = `
  CREATE TABLE task (id TEXT PRIMARY KEY, doc_id TEXT, from_page INT, to_page INT, progress REAL, progress_msg TEXT,
    retry_count INT);
  CREATE TABLE document (id TEXT PRIMARY KEY, name TEXT, chunks TEXT);
  CREATE TABLE operation (document_id TEXT, task_type TEXT, task_id TEXT, referred TEXT);`;

interface Row {
  readonly progress: number;
  readonly progress_msg: string;
  readonly retry_count: number;
}

/** The example, a checkout, RagFlow's Redis and its MySQL. */
class RagFlowStage extends Stage {
  redisPort = 0;
  #redis: Redis | null = null;
  #mysql: DatabaseSync | null = null;

  /** @param settings - put in the places of the example's own. */
  async setUp(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    const server = await this.redis();
    this.redisPort = server.port;
    await cp(join(ROOT, "test/examples/ragflow/checkout"), this.path("checkout"), { recursive: true });
    await copyFile(join(EXAMPLE, "ragflow_worker.py"), this.path("ragflow_worker.py"));
    await copyFile(join(ROOT, "python/taskexe_worker.py"), this.path("taskexe_worker.py"));
    const places = {
      '"/etc/taskexe/broker"': JSON.stringify(this.path("broker")),
      '"/ragflow/.venv/bin/python"': JSON.stringify(process.env.PYTHON ?? "python3"),
      '"/opt/taskexe/ragflow/ragflow_worker.py"': JSON.stringify(this.path("ragflow_worker.py")),
      'cwd = "/ragflow"': `cwd = ${JSON.stringify(this.path("checkout"))}`,
      'RAGFLOW_HOME = "/ragflow"': `RAGFLOW_HOME = ${JSON.stringify(this.path("checkout"))}, ${this.#environment()}`,
      'PYTHONPATH = "/ragflow"': 'PYTHONDONTWRITEBYTECODE = "1"',
      "processes = 4": "processes = 2",
      ...settings,
    };
    let text = await readFile(join(EXAMPLE, "taskexe.toml"), "utf8");
    for (const [from, to] of Object.entries(places)) {
      assert.ok(text.includes(from), `the example says ${from}`);
      text = text.replace(from, to);
    }
    await this.write({ "taskexe.toml": text, broker: `redis://127.0.0.1:${server.port}/1\n` });
    this.#mysql = new DatabaseSync(this.path("mysql"));
    this.#mysql.exec(`PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 30000; ${TABLES}`);
    this.#redis = new Redis(`redis://127.0.0.1:${server.port}/1`);
    this.atEnd(async () => {
      this.#redis?.disconnect();
      this.#mysql?.close();
    });
  }

  #environment(): string {
    const address = `127.0.0.1:${this.redisPort}:1`;
    return `STANDIN_REDIS = "${address}", STANDIN_MYSQL = ${JSON.stringify(this.path("mysql"))}`;
  }

  get ragflowRedis(): Redis {
    assert.ok(this.#redis);
    return this.#redis;
  }

  ask(statement: string, ...values: readonly string[]): unknown[] {
    assert.ok(this.#mysql);
    return this.#mysql.prepare(statement).all(...values);
  }

  /** As its producers do: a row in MySQL, and a message. The name of the document says what becomes of it. */
  async produce(id: string, name: string, more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const message = { id, doc_id: `doc-of-${id}`, progress: 0, from_page: 0, to_page: 12, priority: 0, ...more };
    this.ask("INSERT INTO task VALUES (?, ?, 0, 12, 0, '', 0)", id, String(message.doc_id));
    this.ask("INSERT OR IGNORE INTO document VALUES (?, ?, 'kept')", String(message.doc_id), name);
    await this.ragflowRedis.set(`doc:chunking_pending:doc-of-${id}`, "1");
    await this.ragflowRedis.xadd("te.0.common", "*", "message", JSON.stringify(message));
  }

  /** What MySQL says of a task. */
  row(id: string): Row {
    const [row] = this.ask("SELECT * FROM task WHERE id = ?", id) as Row[];
    assert.ok(row, id);
    return row;
  }
}

describe("the worker of examples/ragflow", () => {
  const stage = new RagFlowStage();
  const executable = builtOnce(() => stage.path("taskexe"));
  let program: Program;
  let executor: ExecutorProcess;

  const start = (name: string, ...args: string[]): Promise<ExecutorProcess> =>
    stage.executor({
      ...{ program, name, folder: stage.path(`state-${name}`), cwd: stage.folder },
      args: ["--config", stage.path("taskexe.toml"), "--lease", "2s", "--grace", "1s", ...args],
    });

  before(async () => {
    await stage.setUp();
    program = await executable();
    executor = await start("one");
  }, SLOW);
  after(() => stage.end());

  async function record(id: string) {
    const { code, body } = await executor.get(`/api/v1/tasks/${id}`);
    return code === 200 ? JSON.parse(body) : null;
  }

  async function ended(id: string, state: string) {
    await until(`${id} is ${state}`, PATIENCE_MS * 2, async () => (await record(id))?.state === state);
    return record(id);
  }

  test("a document is parsed to its end, and both sides tell the progress", SLOW, async () => {
    await stage.produce("good", "good");
    const { progress, progress_msg: log, attempt } = await ended("good", "done");
    assert.deepEqual([progress, attempt], [1, 1], log);
    for (const text of ["begun", "a word without a value", "from a thread of", "Task done"]) {
      assert.match(log, new RegExp(`^\\d\\d:\\d\\d:\\d\\d Page\\(1~12\\): ${text}`, "m"));
      assert.match(stage.row("good").progress_msg, new RegExp(`Page\\(1~12\\): ${text}`));
    }
    assert.deepEqual([stage.row("good").progress, stage.row("good").retry_count], [1, 1]);
    assert.equal(await stage.ragflowRedis.get("doc:chunking_pending:doc-of-good"), "0");
    assert.equal(await stage.ragflowRedis.get("doc:chunking_done:good"), "1");
    assert.deepEqual(
      { ...(stage.ask("SELECT * FROM operation WHERE task_id = 'good'")[0] as object) },
      { document_id: "doc-of-good", task_type: "Parse", task_id: "good", referred: null },
    );
  });

  test("its other kinds of tasks have what RagFlow's functions need", SLOW, async () => {
    const flow = { task_type: "dataflow", kb_id: "kb", tenant_id: "tenant-of-message", dataflow_id: "flow-1" };
    await stage.produce("flow", "flow", flow);
    await stage.produce("graph", "", { doc_id: "graph_raptor_x", task_type: "graphrag", doc_ids: ["d1", "d2"] });
    await stage.produce("tree", "tree", { task_type: "raptor", doc_ids: ["d3"] });
    const memory = { task_type: "memory", memory_id: "m1", source_id: "s", message_dict: { user: "u" } };
    await stage.produce("memory", "", memory);
    for (const id of ["flow", "graph", "tree", "memory"]) assert.equal((await ended(id, "done")).progress, 1, id);
    assert.match((await record("flow")).progress_msg, /flow flow-1[\s\S]*of tenant-of-message/);
    assert.match(stage.row("graph").progress_msg, /graphrag of d1,d2 \['d1', 'd2'\] graph_raptor_x/);
    assert.match(stage.row("tree").progress_msg, /raptor of d3/);
    assert.match(stage.row("memory").progress_msg, /remembered u for m1/);
  });

  const failures = {
    fails: "[Exception]: no such page",
    group: "[Exception]: several -- of one -- 'k'",
    "too-large": "File size exceeds",
  };
  for (const [name, text] of Object.entries(failures)) {
    test(`a document that ${name} is dead, and both sides say why`, SLOW, async () => {
      await stage.produce(name, name);
      const { error, progress_msg: log, progress } = await ended(name, "dead");
      assert.deepEqual([error.message, progress], [text, -1]);
      assert.ok(log.includes(`Page(1~12): [ERROR]${text}`), log);
      const row = stage.row(name);
      assert.ok(row.progress === -1 && row.progress_msg.includes(`[ERROR]${text}`), JSON.stringify(row));
      if (name === "too-large") return;
      assert.equal(await stage.ragflowRedis.get(`doc:chunking_aborted:doc-of-${name}`), "1");
      assert.equal(row.progress_msg.split("[ERROR]").length, 2, "MySQL is told once");
    });
  }

  test("a task of which MySQL knows nothing is unknown", SLOW, async () => {
    const message = JSON.stringify({ id: "nobody", doc_id: "d", from_page: 0, to_page: 12 });
    await stage.ragflowRedis.xadd("te.0.common", "*", "message", message);
    assert.match((await ended("nobody", "dead")).error.message, /task nobody is unknown/);
  });

  for (const name of ["waits", "computes", "computes-in-a-thread"]) {
    test(`RagFlow's flag cancels a document that ${name}, MySQL says so, and the next one runs`, SLOW, async () => {
      await stage.produce(name, name);
      await until(`${name} has begun`, PATIENCE_MS, () => stage.row(name).progress_msg.includes("from a thread"));
      await stage.ragflowRedis.set(`${name}-cancel`, "x", "EX", 3_600);
      await ended(name, "cancelled");
      await until("MySQL knows", PATIENCE_MS, () => stage.row(name).progress === -1);
      assert.match(stage.row(name).progress_msg, /\[Canceled\]/);
      if (name === "waits") assert.deepEqual(chunksOf(name), "removed", "its own clean-up has run");
      await stage.produce(`after-${name}`, "good");
      await ended(`after-${name}`, "done");
    });
  }

  const chunksOf = (id: string): unknown =>
    (stage.ask("SELECT chunks FROM document WHERE id = ?", `doc-of-${id}`)[0] as { chunks: string }).chunks;

  test("a document whose process is killed runs again, in another one", SLOW, async () => {
    await stage.produce("killed", "killed");
    assert.equal((await ended("killed", "done")).attempt, 1, "a crash is no failure");
    assert.deepEqual([stage.row("killed").progress, stage.row("killed").retry_count], [1, 2]);
  });

  test("a document that kills every process is dead, and MySQL is told of it", SLOW, async () => {
    await stage.produce("deadly", "always-killed");
    assert.match((await ended("deadly", "dead")).reason, /killed by SIGKILL/);
    await until("MySQL knows", PATIENCE_MS, () => stage.row("deadly").progress === -1);
    assert.match(stage.row("deadly").progress_msg, /\[ERROR\]\[Exception\]: .*killed by SIGKILL/);
    const aborted = () => stage.ragflowRedis.get("doc:chunking_aborted:doc-of-deadly");
    await until("its document is aborted", PATIENCE_MS, async () => (await aborted()) === "1");
  });

  test("what a killed executor held is taken over, and ends", SLOW, async () => {
    const other = await start("two");
    executor.kill("SIGSTOP");
    await stage.produce("slow", "slow");
    await until("the other one has it", PATIENCE_MS, () => stage.row("slow").retry_count === 1);
    executor.kill("SIGCONT");
    other.kill("SIGKILL");
    await other.ended;
    await ended("slow", "done");
    assert.deepEqual([stage.row("slow").progress, stage.row("slow").retry_count], [1, 2]);
  });
});

/** What newer releases have beside `do_handle_task`. */
const MANAGER = `
class TaskManager:
    @classmethod
    async def run_refactored_task(cls, task, chat_limiter, minio_limiter, chunk_limiter, embed_limiter, kg_limiter,
                                  set_progress, has_canceled, billing_hook=None):
        set_progress(task["id"], prog=1.0, msg=f"refactored with {chat_limiter}, {has_canceled(task['id'])}")
chat_limiter, minio_limiter, chunk_limiter, embed_limiter, kg_limiter = "chat", "minio", "chunk", "embed", "kg"
`;

for (const [mode, said] of [
  ["0", /refactored with chat, False/],
  ["2", /from a thread of/],
] as const) {
  test(
    `a release that has run_refactored_task runs with TE_RUN_MODE=${mode} as its handle_task would`,
    SLOW,
    async () => {
      await RagFlowStage.with(async (stage) => {
        await stage.setUp();
        const file = "checkout/rag/svr/task_executor.py";
        await stage.write({ [file]: (await stage.read(file)) + MANAGER });
        await stage.executor({ args: ["--config", stage.path("taskexe.toml")], env: { TE_RUN_MODE: mode } });
        await stage.produce("good", "good");
        await until("MySQL says that it is done", PATIENCE_MS, () => stage.row("good").progress === 1);
        assert.match(stage.row("good").progress_msg, said);
      });
    },
  );
}

describe("a checkout that lacks what the worker of examples/ragflow relies on", () => {
  /** The end of an executor whose checkout has `text` of one of its files replaced. */
  async function startWith(changes: readonly (readonly [string, string, string])[]) {
    return RagFlowStage.with(async (stage) => {
      await stage.setUp();
      for (const [file, from, to] of changes) {
        const text = await stage.read(`checkout/${file}`);
        assert.ok(text.includes(from), from);
        await stage.write({ [`checkout/${file}`]: text.replaceAll(from, to) });
      }
      return stage.run(["run", "--config", stage.path("taskexe.toml"), "--listen", "off"]);
    });
  }
  const EXECUTOR = "rag/svr/task_executor.py";

  test("ends the start with 2, and all that is missing or other is named with what was found", SLOW, async () => {
    const { code, stderr } = await startWith([
      [EXECUTOR, "do_handle_task", "do_handle_one"],
      [EXECUTOR, "def set_progress(task_id, from_page=0, to_page=-1,", "def set_progress(task_id, pages=(0, -1),"],
    ]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /rag\.svr\.task_executor\.do_handle_task\(task\): missing; found do_handle_one/);
    assert.match(stderr, /set_progress\(task_id, from_page, to_page, prog, msg\): it is \(task_id, pages=\(0, -1\)/);
  });

  test("a module that cannot be imported is told with the Python and the reason", SLOW, async () => {
    const { code, stderr } = await startWith([["common/settings.py", "is_ready = False", "import nothing_such"]]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /cannot be imported by \S+: ModuleNotFoundError: No module named 'nothing_such'/);
  });

  test("a folder that is no checkout is told with what is in it", SLOW, async () => {
    await RagFlowStage.with(async (stage) => {
      await stage.setUp({ 'RAGFLOW_HOME = "/ragflow"': `RAGFLOW_HOME = ${JSON.stringify(stage.folder)}` });
      const { code, stderr } = await stage.run(["run", "--config", stage.path("taskexe.toml"), "--listen", "off"]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, /is no checkout of RagFlow: expected a folder rag\/ in it; found [\s\S]*checkout/);
    });
  });
});
