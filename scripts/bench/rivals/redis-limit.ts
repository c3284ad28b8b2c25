/**
 * Redis's own limit for consuming a stream: XREADGROUP of 512, XACK and XDEL, sent as pipelines that were made before
 * the clock starts, their answers counted as bytes and never parsed. No client that claims and completes in this way
 * can be faster on this machine; what is left out (parsing, JSON, running a handler) is a real consumer's share.
 * Arguments: port, database, stream, group. It takes what is in the stream when it starts.
 */
import { connect } from "node:net";
import { Redis } from "ioredis";

const [portText, database, stream, group] = process.argv.slice(2);
if (!portText || !database || !stream || !group) throw new Error("usage: redis-limit.ts PORT DATABASE STREAM GROUP");
const BATCH = 512;
const END = "$7\r\nthe-end\r\n";

/** One command in Redis's protocol. */
function command(...parts: readonly string[]): string {
  return `*${parts.length}\r\n${parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join("")}`;
}

/** The pipelines for all entries that are there; their ids are known beforehand, so no answer has to be read. */
async function pipelines(stream: string, group: string): Promise<Buffer[]> {
  const redis = new Redis({ port: Number(portText), db: Number(database) });
  const all: Buffer[] = [];
  let after = "-";
  for (;;) {
    const entries = await redis.xrange(stream, after, "+", "COUNT", BATCH);
    const ids = entries.map(([id]) => id);
    const last = ids.at(-1);
    if (last === undefined) break;
    after = `(${last}`;
    const claim = command("XREADGROUP", "GROUP", group, "limit", "COUNT", String(BATCH), "STREAMS", stream, ">");
    all.push(Buffer.from(claim + command("XACK", stream, group, ...ids) + command("XDEL", stream, ...ids)));
  }
  redis.disconnect();
  return all;
}

const prepared = await pipelines(stream, group);
const socket = connect(Number(portText), "127.0.0.1");
socket.setNoDelay(true);
await new Promise((resolve) => socket.once("connect", resolve));

const ended = new Promise<void>((resolve, reject) => {
  let tail = "";
  socket.on("error", reject);
  socket.on("data", (chunk: Buffer) => {
    // The answer to the ECHO behind everything else; the socket can cut it in two.
    tail = (tail + chunk.subarray(Math.max(0, chunk.length - END.length)).toString("latin1")).slice(-END.length);
    if (tail === END) resolve();
  });
});
socket.write(command("SELECT", database));
for (const pipeline of prepared) {
  if (!socket.write(pipeline)) await new Promise((resolve) => socket.once("drain", resolve));
}
socket.write(command("ECHO", "the-end"));
await ended;
socket.destroy();
