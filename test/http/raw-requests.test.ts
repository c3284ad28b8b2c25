/**
 * Requests as they come over the wire, from clients that are old, odd or broken, on the executable and on each other
 * runtime: each is answered as HTTP has it, and none is an error of ours.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ROOT } from "../stage/command.ts";
import type { ExecutorProcess } from "../stage/executor.ts";
import { drained } from "../stage/executor.ts";
import { ON_DENO, ON_NODE } from "../stage/programs.ts";
import { SLOW, Stage } from "../stage/stage.ts";

const PROGRAMS: Readonly<Record<string, [string, ...string[]]>> = {
  "the executable": [join(ROOT, "dist/taskexe")],
  Node: ON_NODE,
  Deno: ON_DENO,
};

/** How long an answer may take, in ms. */
const ANSWER_MS = 15_000;

interface Answered {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const HOST = "Host: 127.0.0.1\r\nConnection: close\r\n";
const JSON_TYPE = "Content-Type: application/json\r\n";
const NOOP = '{"type":"noop"}';

const API_PATHS = ["/api/v1/tasks", "/api/v1/tasks/x", "/api/v1/schedules/x", "/api/v1/queues", "/api/v1/openapi.json"];
const PATHS = ["/", "/status", "/status/tree", "/healthz", "/readyz"];

for (const [name, program] of Object.entries(PROGRAMS)) {
  describe(`over the wire on ${name}`, () => {
    let stage: Stage;
    let executor: ExecutorProcess;

    before(async () => {
      stage = Stage.make();
      executor = await stage.executor({ broker: `sqlite:${join(stage.folder, "queue.db")}`, program });
    }, SLOW);

    after(async () => {
      await stage.end();
    });

    /** Sends it and reads the answer, or until the server has closed. */
    async function ask(text: string | Buffer): Promise<Answered> {
      const socket = connect(executor.port, "127.0.0.1");
      socket.setTimeout(ANSWER_MS, () => socket.destroy());
      const pieces: Buffer[] = [];
      socket.on("data", (piece: Buffer) => {
        pieces.push(piece);
        // Who does not read a body to its end may leave the connection open for the rest.
        const { headers, body } = answered(Buffer.concat(pieces).toString());
        const length = Number(headers["content-length"] ?? Number.POSITIVE_INFINITY);
        if (body !== "" && Buffer.byteLength(body) >= length) socket.destroy();
      });
      socket.on("error", () => {});
      socket.write(text);
      await once(socket, "close");
      // An answer that never came has no status.
      return answered(Buffer.concat(pieces).toString());
    }

    test("a request of HTTP/1.0 without a Host is answered on every path", SLOW, async () => {
      for (const path of [...PATHS, "/api/v1/tasks", "/api/v1/openapi.json"]) {
        for (const host of ["", "Host:\r\n"]) {
          const answer = await ask(`GET ${path} HTTP/1.0\r\n${host}\r\n`);
          assert.equal(answer.status, 200, `${path} ${host}`);
          assert.notEqual(answer.body, "");
        }
      }
      const post = `POST /api/v1/tasks HTTP/1.0\r\n${JSON_TYPE}Content-Length: ${NOOP.length}\r\n\r\n${NOOP}`;
      // What a proxy sends that nobody told otherwise. Deno does not tell of which version a request is.
      for (const head of [post, post.replace("HTTP/1.0\r\n", "HTTP/1.0\r\nHost: 127.0.0.1\r\n")]) {
        const answer = await ask(head);
        assert.equal(answer.status, name === "Deno" ? 201 : 403);
        if (name !== "Deno") assert.equal(JSON.parse(answer.body).error.code, "token_needed");
      }
    });

    test("a Host that is none is refused, and routes to no path that was not asked for", SLOW, async () => {
      const hosts = [
        "user@x:99999",
        "x:99999",
        "a/b?",
        "a/b",
        "a?",
        "a#",
        "a\\b",
        "[::1",
        "a b",
        "a:",
        "a,b",
        "u@127.0.0.1",
      ];
      for (const path of ["/abc/api/v1/tasks", "/api/v1/tasks", "/healthz"]) {
        for (const host of [...hosts, "127.0.0.1\r\nHost: 127.0.0.1", "127.0.0.1\r\nHost: evil.example"]) {
          for (const version of ["1.1", "1.0"]) {
            const answer = await ask(`GET ${path} HTTP/${version}\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
            assert.equal(answer.status, 400, `${path} ${host} ${version}`);
          }
        }
      }
      const targets = [
        "//evil.example/api/v1/tasks",
        "/\\evil/api/v1/tasks",
        "/abc/api/v1/tasks",
        "/x/http://a/api/v1/tasks",
      ];
      for (const target of targets) {
        const { status } = await ask(`GET ${target} HTTP/1.1\r\n${HOST}\r\n`);
        assert.ok(status === 404 || status === 400, `${target}: ${status}`);
      }
      const whole = ["ftp://127.0.0.1", "http://u:p@127.0.0.1", "http://evil.example", "*", "http:"];
      for (const target of whole) {
        const { status } = await ask(`GET ${target}/api/v1/tasks HTTP/1.1\r\n${HOST}\r\n`);
        assert.ok(status === 400 || status === 421 || status === 404, `${target}: ${status}`);
      }
    });

    test("a target may be a whole URL, and one of another host is refused as its Host is", SLOW, async () => {
      const whole = `http://127.0.0.1:${executor.port}`;
      assert.equal((await ask(`GET ${whole}/healthz HTTP/1.1\r\n${HOST}\r\n`)).status, 200);
      assert.equal((await ask(`GET ${whole}/api/v1/tasks?limit=1 HTTP/1.1\r\n${HOST}\r\n`)).status, 200);
      assert.equal((await ask(`GET ${whole}/healthz HTTP/1.0\r\n\r\n`)).status, 200);
      const foreign = await ask("GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
      assert.equal(foreign.status, 421);
      const none = await ask("GET /healthz HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n");
      assert.equal(none.status, 400);
    });

    test("HEAD has the headers of GET and its length, and no body", SLOW, async () => {
      for (const path of [...PATHS, ...API_PATHS, "/nowhere", "/api/v1/nowhere"]) {
        const get = await ask(`GET ${path} HTTP/1.1\r\n${HOST}\r\n`);
        const head = await ask(`HEAD ${path} HTTP/1.1\r\n${HOST}\r\n`);
        assert.deepEqual([head.status, head.body], [get.status, ""], path);
        assert.deepEqual(Object.keys(head.headers).sort(), Object.keys(get.headers).sort(), path);
        assert.equal(head.headers["content-type"], get.headers["content-type"], path);
        // The status and the tree are of another moment.
        if (!path.startsWith("/status")) {
          assert.equal(head.headers["content-length"], get.headers["content-length"], path);
        }
      }
    });

    test("OPTIONS tells what a path takes, and other methods are refused with it", SLOW, async () => {
      const takes: Readonly<Record<string, string[]>> = {
        ...Object.fromEntries(PATHS.map((path) => [path, ["GET", "HEAD"]])),
        "/api/v1/tasks": ["GET", "HEAD", "POST"],
        "/api/v1/tasks/x": ["GET", "HEAD", "PATCH"],
        "/api/v1/tasks/x/cancel": ["POST"],
        "/api/v1/schedules/x": ["DELETE", "GET", "HEAD", "PUT"],
      };
      for (const [path, methods] of Object.entries(takes)) {
        const options = await ask(`OPTIONS ${path} HTTP/1.1\r\n${HOST}\r\n`);
        assert.deepEqual([options.status, options.body], [204, ""], path);
        const allowed = (answer: Answered) => answer.headers.allow?.split(", ").sort();
        assert.deepEqual(allowed(options), [...methods, "OPTIONS"].sort(), path);
        for (const method of [
          ...(methods.includes("PATCH") ? [] : ["PATCH"]),
          "TRACE",
          "PROPFIND",
          ...(methods.includes("PUT") ? ["POST"] : ["PUT", "DELETE"]),
        ]) {
          const refused = await ask(`${method} ${path} HTTP/1.1\r\n${HOST}\r\n`);
          assert.equal(refused.status, 405, `${method} ${path}`);
          assert.deepEqual(allowed(refused), [...methods, "OPTIONS"].sort(), `${method} ${path}`);
          const { error } = JSON.parse(refused.body);
          assert.equal(error.code, path.startsWith("/api/") ? "method_not_allowed" : undefined);
        }
      }
      for (const method of ["GET", "POST", "OPTIONS", "DELETE"]) {
        for (const path of ["/api", "/api/", "/api/v1", "/api/v1/nope", "/api/v2/tasks"]) {
          const missing = await ask(`${method} ${path} HTTP/1.1\r\n${HOST}\r\n`);
          assert.equal(missing.status, 404, `${method} ${path}`);
          assert.equal(JSON.parse(missing.body).error.code, "not_found", path);
        }
      }
    });

    test("broken bodies are mistakes of their client, and no errors in our log", SLOW, async () => {
      const post = (headers: string, body: string | Buffer): Buffer =>
        Buffer.concat([
          Buffer.from(`POST /api/v1/tasks HTTP/1.1\r\n${HOST}${JSON_TYPE}${headers}\r\n`),
          Buffer.from(body),
        ]);
      const sized = (body: string | Buffer) => post(`Content-Length: ${Buffer.byteLength(body)}\r\n`, body);
      const chunked = (body: string) => post("Transfer-Encoding: chunked\r\n", body);
      const broken: Readonly<Record<string, Buffer>> = {
        "not JSON": sized('{"type":'),
        empty: sized(""),
        "not UTF-8": sized(Buffer.from('{"type":"no\xff\xfeop"}', "latin1")),
        "no number": post("Content-Length: abc\r\n", NOOP),
        negative: post("Content-Length: -5\r\n", NOOP),
        "two lengths": post("Content-Length: 5\r\nContent-Length: 6\r\n", NOOP),
        "a length that is too long": post("Content-Length: 99999999999\r\n", NOOP),
        "a length and chunks": post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", `f\r\n${NOOP}\r\n0\r\n\r\n`),
        compressed: post("Content-Encoding: gzip\r\nContent-Length: 3\r\n", "abc"),
        "no HTTP": Buffer.from("\x16\x03\x01hello\r\n\r\n", "latin1"),
      };
      for (const [what, text] of Object.entries(broken)) {
        const { status } = await ask(text);
        assert.ok(status >= 400 && status < 500, `${what}: ${status}`);
      }
      // Deno closes without a word.
      const bad = await ask(chunked("ZZ\r\n{}\r\n0\r\n\r\n"));
      assert.ok(bad.status === 0 || bad.status === 400, `bad chunks: ${bad.status}`);
      assert.equal((await ask(chunked(`f\r\n${NOOP}\r\n0\r\n\r\n`))).status, 201);
      const long = `${"x".repeat(1 << 20)}`;
      const endless = chunked(`${`100000\r\n${long}\r\n`.repeat(9)}0\r\n\r\n`);
      assert.equal((await ask(endless)).status, 413);

      // Uploads that are cut off in the middle, by length and in chunks.
      for (const cut of [post("Content-Length: 100\r\n", '{"type":'), chunked('9\r\n{"type":')]) {
        for (let round = 0; round < 3; round++) {
          const socket = connect(executor.port, "127.0.0.1");
          socket.on("error", () => {});
          socket.write(cut);
          await once(socket, "connect");
          // By then the server has the request, and waits for the rest of it.
          assert.equal((await ask(`GET /healthz HTTP/1.1\r\n${HOST}\r\n`)).status, 200);
          if (round === 1) socket.resetAndDestroy();
          else socket.destroy();
        }
      }
      assert.equal((await ask(`GET /healthz HTTP/1.1\r\n${HOST}\r\n`)).status, 200);
      assert.equal(await drained(executor), 0);
      assert.doesNotMatch(executor.output(), / (ERR|WRN|FTL) |Warning|\n\s+at /);
      executor = await stage.executor({ broker: `sqlite:${join(stage.folder, "queue.db")}`, program });
    });
  });
}

function answered(text: string): Answered {
  const end = text.indexOf("\r\n\r\n");
  const [line = "", ...fields] = text.slice(0, Math.max(end, 0)).split("\r\n");
  const headers = fields.map((field) => {
    const at = field.indexOf(":");
    return [field.slice(0, at).toLowerCase(), field.slice(at + 1).trim()] as const;
  });
  return { status: Number(line.split(" ")[1] ?? 0), headers: Object.fromEntries(headers), body: text.slice(end + 4) };
}
