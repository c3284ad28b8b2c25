/**
 * The contract of all brokers, over Redis.
 * @long about 30 s
 */
import { after, before } from "node:test";
import { Redis } from "ioredis";
import { RedisBroker } from "../../src/broker/redis/redis-broker.ts";
import { type RedisServer, startRedis } from "../stage/redis/server.ts";
import { brokerContract } from "./contract.ts";

let server: RedisServer;

before(async () => {
  server = await startRedis();
});

after(() => server.stop());

brokerContract("redis", async () => {
  const redis = new Redis(server.port, "127.0.0.1");
  await redis.flushall();
  return {
    make: (options) => new RedisBroker(server.url, options),
    end: async () => {
      await redis.flushall();
      redis.disconnect();
    },
  };
});
