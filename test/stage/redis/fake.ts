/**
 * A server that speaks enough of Redis' protocol to be asked what it is: HELLO is unknown to it, INFO is what it is
 * told to say.
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { ReplyDecoder } from "../../../src/broker/redis/connection/reply-decoder.ts";

export interface FakeRedis {
  readonly url: string;
  close(): Promise<void>;
}

/** @param info - the lines of its answer to INFO. */
export async function fakeRedis(info: readonly string[]): Promise<FakeRedis> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    // A command has the form of an answer that is a list of texts.
    const decoder = new ReplyDecoder((command) => socket.write(answerTo(command, info)));
    socket.on("data", (bytes: Buffer) => decoder.write(bytes));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}/1`,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function answerTo(command: unknown, info: readonly string[]): string {
  const [name, sub] = (Array.isArray(command) ? command : []).map((part) => String(part).toLowerCase());
  if (name === "hello") return "-ERR unknown command `HELLO`\r\n";
  if (name === "client") return sub === "id" ? ":1\r\n" : "+OK\r\n";
  if (name === "time") return "*2\r\n$10\r\n1700000000\r\n$1\r\n0\r\n";
  if (name !== "info") return "+OK\r\n";
  const text = info.join("\r\n");
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}
