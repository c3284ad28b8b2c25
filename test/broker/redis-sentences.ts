/** Sentences about Redis alone: over a server of the file's own, emptied before and after each. */
import { after, before } from "node:test";
import { Redis } from "ioredis";
import { RedisBroker } from "../../src/broker/redis/redis-broker.ts";
import { type RedisServer, startRedis } from "../stage/redis/server.ts";
import { type Sentence, sentences } from "../stage/sentences.ts";

/**
 * Starts the server before the file's first test; `redis` gives a connection to it, `url` its address, once a test
 * runs.
 */
export function redisSentences(): {
  readonly sentence: Sentence;
  readonly redis: () => Redis;
  readonly url: () => string;
} {
  let server: RedisServer;
  let connection: Redis;

  before(async () => {
    server = await startRedis();
    connection = new Redis(server.url);
  });

  after(async () => {
    connection.disconnect();
    await server.stop();
  });

  const sentence = sentences("redis", async () => {
    await connection.flushdb();
    return {
      make: (options) => new RedisBroker(server.url, options),
      end: async () => {
        await connection.flushdb();
      },
    };
  });
  return { sentence, redis: () => connection, url: () => server.url };
}
