/** What goes over a line to Redis and comes back: commands as bytes, answers cut anywhere, and a line that breaks. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { Redis } from "ioredis";
import { CommandBatch, encodeIds } from "../../src/broker/redis/connection/command-batch.ts";
import { RawConnection } from "../../src/broker/redis/connection/raw-connection.ts";
import { ReplyDecoder, ReplyError } from "../../src/broker/redis/connection/reply-decoder.ts";
import { type RedisServer, startRedis } from "../stage/redis/server.ts";

/** Where a server is made to hang; elsewhere a machine that stands still for a while is no such server. */
const QUIET_MS = 300;
const PATIENT_MS = 30_000;

let server: RedisServer;

before(async () => {
  server = await startRedis();
});

after(() => server.stop());

/** An answer, as Redis would send it. */
function encoded(reply: unknown): string {
  if (reply === null) return "$-1\r\n";
  if (reply instanceof ReplyError) return `-${reply.message}\r\n`;
  if (typeof reply === "number") return `:${reply}\r\n`;
  if (Array.isArray(reply)) return `*${reply.length}\r\n${reply.map(encoded).join("")}`;
  return `$${Buffer.byteLength(String(reply))}\r\n${reply}\r\n`;
}

const TEXT = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.constantFrom("", "\r\n", "$-1\r\n", "*1\r\n", "ä", "日本語", "😀"),
);
const { reply: REPLY } = fc.letrec<{ reply: unknown }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 4 },
    TEXT,
    fc.integer(),
    fc.constant(null),
    fc.constantFrom("ERR no", "NOGROUP none").map((message) => new ReplyError(message)),
    fc.array(tie("reply"), { maxLength: 5 }),
  ),
}));

/** All answers in those bytes, which come in chunks of these sizes, over and over. */
function decoded(bytes: Buffer, sizes: readonly number[]): unknown[] {
  const replies: unknown[] = [];
  const decoder = new ReplyDecoder((reply) => replies.push(reply));
  for (let [at, turn] = [0, 0]; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? bytes.length;
    decoder.write(bytes.subarray(at, at + size));
    at += size;
  }
  return replies;
}

test("every answer is read as it was sent, wherever the chunks are cut", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.array(REPLY, { maxLength: 6 }), sizes, (replies, cuts) => {
      assert.deepEqual(decoded(Buffer.from(replies.map(encoded).join("")), cuts), replies);
    }),
    { numRuns: 2_000 },
  );
});

test("simple texts, empty lists and absent lists are read", () => {
  const bytes = Buffer.from("+OK\r\n*0\r\n*-1\r\n*2\r\n*0\r\n+Ü\r\n:-7\r\n");
  for (const size of [1, 2, 3, 1_000]) assert.deepEqual(decoded(bytes, [size]), ["OK", [], null, [[], "Ü"], -7]);
});

test("a text of 10 MB comes in small chunks, and is put together once", () => {
  const text = "ß".repeat(5_000_000);
  const bytes = Buffer.from(`*2\r\n${encoded("one")}${encoded(text)}:1\r\n`);
  assert.deepEqual(decoded(bytes, [1_000]), [["one", text], 1]);
});

test("what is no RESP 2 is refused, and said", () => {
  const decoder = new ReplyDecoder(() => assert.fail("nothing was answered"));
  assert.throws(() => decoder.write(Buffer.from("%1\r\n")), /no RESP 2: a value of the type "%"/);
  const other = new ReplyDecoder(() => assert.fail("nothing was answered"));
  assert.throws(() => other.write(Buffer.from("$12x\r\n")), /no RESP 2: "x" in a number/);
});

function lineTo(port: number, quietMs = PATIENT_MS): { readonly line: RawConnection; readonly redis: Redis } {
  const redis = new Redis({
    port,
    db: 3,
    protocol: 2,
    lazyConnect: true,
    socketTimeout: quietMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => 10,
  });
  // The connection is lost on purpose.
  redis.on("error", () => undefined);
  return { line: new RawConnection(redis, quietMs), redis };
}

function batchOf(...commands: readonly (readonly [string, ...(string | number)[]])[]): CommandBatch {
  const batch = new CommandBatch();
  for (const command of commands) batch.add(command);
  return batch;
}

test("commands reach Redis as they are, whatever their arguments hold", async () => {
  const { line } = lineTo(server.port);
  try {
    await line.opened(AbortSignal.timeout(PATIENT_MS));
    await fc.assert(
      fc.asyncProperty(fc.array(TEXT, { maxLength: 20 }), async (texts) => {
        const replies = await line.send(batchOf(...texts.map((text) => ["ECHO", text] as const)));
        assert.deepEqual(
          replies,
          texts.map((text) => [null, text.toWellFormed()]),
        );
      }),
      { numRuns: 200 },
    );
  } finally {
    line.close();
  }
});

test(
  "a command over many entries ends those, in the db that was asked for; a refusal stands in " + "its own place",
  async () => {
    const { line } = lineTo(server.port);
    const redis = new Redis({ port: server.port, db: 3 });
    try {
      await line.opened(AbortSignal.timeout(PATIENT_MS));
      const added = await line.send(batchOf(["XADD", "s", "*", "n", 1], ["XADD", "s", "*", "n", 2], ["XADD", "s"]));
      const entries = added.slice(0, 2).map(([, id]) => String(id));
      assert.match(added[2]?.[0]?.message ?? "", /wrong number of arguments/);
      const batch = new CommandBatch();
      batch.add(["XDEL", "s"], encodeIds(entries));
      assert.equal(batch.length, 1);
      assert.equal(await redis.xlen("s"), 2);
      assert.deepEqual(await line.send(batch), [[null, 2]]);
      assert.equal(await redis.xlen("s"), 0);
    } finally {
      line.close();
      redis.disconnect();
    }
  },
);

test("an empty batch is answered at once, and a line that is not open says so", async () => {
  const { line } = lineTo(server.port);
  await assert.rejects(line.send(batchOf(["ECHO", "a"])), /not open/);
  await line.opened(AbortSignal.timeout(PATIENT_MS));
  assert.deepEqual(await line.send(new CommandBatch()), []);
  line.close();
  await assert.rejects(line.send(batchOf(["ECHO", "a"])), /not open/);
});

test("a server that hangs while an answer is due counts as away; one that is merely idle does not", async () => {
  const { line, redis } = lineTo(server.port, QUIET_MS);
  /**
   * Is answered in time, but by a machine that stands still: then the line is lost rightly, and asked once it is back.
   */
  const echoes = async (text: string) => {
    for (let tries = 1; ; tries += 1) {
      await line.opened(AbortSignal.timeout(PATIENT_MS));
      const begun = performance.now();
      try {
        return assert.deepEqual(await line.send(batchOf(["ECHO", text])), [[null, text]]);
      } catch (error) {
        if (tries === 5 || performance.now() - begun < QUIET_MS - 10) throw error;
      }
    }
  };
  try {
    await line.opened(AbortSignal.timeout(PATIENT_MS));
    const { stream } = redis;
    await once(stream, "timeout");
    assert.deepEqual([stream.destroyed, line.isOpen], [false, true]);
    await echoes("still there");
    await server.kill("SIGSTOP");
    const begun = performance.now();
    await assert.rejects(line.send(batchOf(["ECHO", "a"])), /connection was lost/);
    assert.ok(performance.now() - begun < 50 * QUIET_MS);
    assert.equal(line.isOpen, false);
    await server.kill("SIGCONT");
    await echoes("b");
  } finally {
    await server.kill("SIGCONT");
    line.close();
  }
});

/** A door before Redis, through which others can speak in its name. */
async function doorway(): Promise<{ readonly port: number; say(text: string): void; close(): Promise<void> }> {
  const inside = new Set<Socket>();
  const door = createServer((socket) => {
    const redis = connect(server.port, "127.0.0.1");
    inside.add(socket);
    socket.on("close", () => {
      inside.delete(socket);
      redis.destroy();
    });
    for (const each of [socket, redis]) each.on("error", () => socket.destroy());
    redis.on("close", () => socket.destroy());
    socket.pipe(redis).pipe(socket);
  });
  door.listen(0, "127.0.0.1");
  await once(door, "listening");
  return {
    port: (door.address() as AddressInfo).port,
    say(text) {
      for (const socket of inside) socket.write(text);
    },
    async close() {
      for (const socket of inside) socket.destroy();
      door.close();
      await once(door, "close");
    },
  };
}

for (const [what, text, said] of [
  ["what is no answer", "?\r\n", /no RESP 2/],
  ["an answer that nobody asked for", ":1\r\n", /nobody had asked/],
] as const) {
  test(`a line that brings ${what} is dropped, and opened anew`, async () => {
    const door = await doorway();
    const { line, redis } = lineTo(door.port);
    try {
      await line.opened(AbortSignal.timeout(PATIENT_MS));
      const { id } = line;
      const lost = new Promise((resolve) => redis.once("close", resolve));
      const failed = new Promise<Error>((resolve) => redis.once("error", resolve));
      door.say(text);
      assert.match((await failed).message, said);
      await lost;
      await line.opened(AbortSignal.timeout(PATIENT_MS));
      assert.notEqual(line.id, id);
      assert.deepEqual(await line.send(batchOf(["ECHO", "c"])), [[null, "c"]]);
    } finally {
      line.close();
      await door.close();
    }
  });
}

test("a user who may not ask for the connection's number is told so", async () => {
  const admin = new Redis(server.url);
  await admin.call("ACL", "SETUSER", "poor", "on", ">pw", "~*", "&*", "+@all", "-client|id");
  const redis = new Redis({ port: server.port, protocol: 2, lazyConnect: true, username: "poor", password: "pw" });
  const line = new RawConnection(redis, PATIENT_MS);
  try {
    await assert.rejects(line.opened(AbortSignal.timeout(PATIENT_MS)), /NOPERM/);
  } finally {
    line.close();
    admin.disconnect();
  }
});
