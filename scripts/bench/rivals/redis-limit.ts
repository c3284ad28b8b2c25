/**
 * Redis's own limit for consuming a stream: XREADGROUP of 512, XACK and XDEL, sent as pipelines that were made before
 * the clock starts, their answers counted as bytes and never parsed. No client that claims and completes in this way
 * can be faster on this machine; what is left out (parsing, JSON, running a handler) is a real consumer's share.
 * Arguments: port, database, stream, group, number of entries, which have the ids 1-1 to 1-N.
 */
import { connect } from "node:net";

const [portText, database, stream, group, countText] = process.argv.slice(2);
if (!portText || !database || !stream || !group || !countText) {
  throw new Error("usage: redis-limit.ts PORT DATABASE STREAM GROUP COUNT");
}
const BATCH = 512;
const END = "$7\r\nthe-end\r\n";

/** One command in Redis's protocol. */
function command(...parts: readonly string[]): string {
  return `*${parts.length}\r\n${parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join("")}`;
}

function pipelines(count: number): Buffer[] {
  const all: Buffer[] = [];
  for (let first = 1; first <= count; first += BATCH) {
    const ids = Array.from({ length: Math.min(BATCH, count - first + 1) }, (_, index) => `1-${first + index}`);
    all.push(
      Buffer.from(
        command("XREADGROUP", "GROUP", group ?? "", "limit", "COUNT", String(BATCH), "STREAMS", stream ?? "", ">") +
          command("XACK", stream ?? "", group ?? "", ...ids) +
          command("XDEL", stream ?? "", ...ids),
      ),
    );
  }
  return all;
}

const prepared = pipelines(Number(countText));
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
