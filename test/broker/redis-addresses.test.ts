/**
 * Every way to connect that an address can name, against real servers: TLS, users and passwords, the db, the socket.
 * Where a server is not trusted, or refuses, people are told why, and no password leaves us, in words or on the wire.
 * @long about 30 s
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { type Broker, BrokerUnavailableError } from "../../src/broker/broker.ts";
import { BrokerUrlError } from "../../src/broker/broker-url-error.ts";
import { createBroker } from "../../src/broker/drivers.ts";
import { parseRedisAddress } from "../../src/broker/redis/connection/address.ts";
import { moveOnAfter, openRoot } from "../../src/concurrency/index.ts";
import { ROOT } from "../stage/command.ts";
import { claimOne, done, idOf, QUEUE, task } from "../stage/outcomes.ts";
import { AUTHORITY, type RedisServer, type RedisServerOptions, startRedis } from "../stage/redis/server.ts";
import { countOf, NOTHING } from "../stage/sentences.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { PATIENCE_MS, until } from "../stage/until.ts";

const USER = "worker";
/** With the characters that mean something in an address. */
const PASSWORD = "r1ght/p@ss:w%rd?";
const WRONG = "wr0ng-s3cr3t";
const USERS = [`${USER} on >${PASSWORD} ~* &* +@all`];
const KNOWN = { user: USER, password: PASSWORD };

const TRUSTED = { ca: AUTHORITY };
const NOT_TRUSTED = /self.signed certificate in certificate chain: name the authority of .* with \?ca=FILE/;
/** What a command says that the server had not answered yet. */
const UNHEARD = /no answer within 3 s/;
/** So many failures are heard: three connections try, and each tries again. */
const ATTEMPTS_MS = 1_500;

describe("a broker", () => {
  for (const host of ["127.0.0.1", "localhost"]) {
    test(
      `works over TLS with ${host} once the authority is named, and shows the address without it`,
      SLOW,
      async () => {
        await withServer({ tls: "server" }, async (server) => {
          const shown = await works(addressOf(server, { host, query: TRUSTED }));
          assert.equal(shown, `rediss://${host}:${server.port}/1`);
        });
      },
    );
  }

  test("refuses a server of an authority that it does not know, and does not send it the password", SLOW, async () => {
    await withServer({ tls: "server", users: USERS }, async (server) => {
      const stranger = { user: USER, password: WRONG };
      const refusals = () => ask(server, (redis) => redis.acl("LOG"));
      const said = await refusalOf(addressOf(server, stranger));
      assert.match(said, NOT_TRUSTED);
      assert.doesNotMatch(said, /connected|wr0ng|s3cr3t/);
      assert.deepEqual(await refusals(), []);

      // The log does tell of a password that was sent.
      await refusalOf(addressOf(server, { ...stranger, query: TRUSTED }));
      assert.match(JSON.stringify(await refusals()), /"username","worker"/);
    });
  });

  test("refuses a certificate for another host, and takes any with insecure=1", SLOW, async () => {
    await withServer({ tls: "elsewhere" }, async (server) => {
      for (const host of ["127.0.0.1", "localhost"]) {
        const said = await refusalOf(addressOf(server, { host, query: TRUSTED }));
        assert.match(said, /Hostname\/IP does not match certificate's altnames/);
      }
      assert.match(await refusalOf(addressOf(server, { query: { insecure: "0" } })), NOT_TRUSTED);
      await works(addressOf(server, { query: { insecure: "1" } }));
    });
  });

  for (const tls of [undefined, "server"] as const) {
    const way = tls ? "over TLS" : "without TLS";
    const options = { users: USERS, ...(tls ? { tls } : {}) };
    const query = tls ? TRUSTED : {};

    test(`comes in ${way} as the user of its address, and works in that db alone`, SLOW, async () => {
      await withServer(options, async (server) => {
        const url = addressOf(server, { ...KNOWN, db: 5, query });
        await withBroker(url, async (broker, signal) => {
          await broker.open(signal);
          const clients = await ask(server, (redis) => redis.client("LIST"));
          const ours = String(clients).match(/ name=one .*/g) ?? [];
          assert.equal(ours.length, 4);
          for (const client of ours) assert.match(client, / db=5 .* user=worker /);
        });
        assert.equal(await works(url), `${tls ? "rediss" : "redis"}://127.0.0.1:${server.port}/5`);
        assert.deepEqual(await usedDbs(server), ["db5"]);
      });
    });

    test(`is refused ${way} with a wrong password, and without any, and says so without it`, SLOW, async () => {
      await withServer(options, async (server) => {
        const wrong = await refusalOf(addressOf(server, { user: USER, password: WRONG, query }));
        assert.match(wrong, /WRONGPASS invalid username-password pair/);
        assert.doesNotMatch(wrong, /connected|wr0ng|s3cr3t/);
        assert.match(await refusalOf(addressOf(server, { query })), /NOAUTH/);
      });
    });

    test(`is refused ${way} where there is no such db, rather than working in another`, SLOW, async () => {
      await withServer(options, async (server) => {
        const said = await refusalOf(addressOf(server, { ...KNOWN, db: 16, query }));
        assert.match(said, /ERR DB index is out of range/);
        assert.doesNotMatch(said, /connected|writeable/);
        assert.deepEqual(await usedDbs(server), []);
      });
    });
  }

  test("works over a unix socket, in the db of its address", SLOW, async () => {
    await withServer({ unixSocket: true }, async (server) => {
      const path = join(server.dir, "redis.sock");
      assert.equal(await works(`unix://${path}?db=5`), `unix://${path}?db=5`);
      assert.equal(await works(`unix://${path}`), `unix://${path}?db=1`);
      assert.match(await refusalOf(`unix://${path}.other`), /ENOENT/);
    });
  });

  test("works over a unix socket as a user with a password, which the address never shows", SLOW, async () => {
    await withServer({ unixSocket: true, users: USERS }, async (server) => {
      const path = join(server.dir, "redis.sock");
      const known = new URLSearchParams({ username: KNOWN.user, password: KNOWN.password });
      assert.equal(await works(`unix://${path}?db=5&${known}`), `unix://${path}?db=5`);
      assert.match(await refusalOf(`unix://${path}`), /NOAUTH/);
      assert.match(await refusalOf(`unix://${path}?username=${KNOWN.user}&password=wr0ng`), /WRONGPASS/);
    });
  });

  test(
    "goes on by itself after a kill -9 and a restart of the TLS server, as the same user in the same db",
    SLOW,
    async () => {
      await withServer({ tls: "server", users: USERS, appendonly: true }, async (server) => {
        await withBroker(addressOf(server, { ...KNOWN, db: 5, query: TRUSTED }), async (broker, signal) => {
          await broker.open(signal);
          await runsTask(broker, signal, "before");
          const cancels: string[] = [];
          broker.onCancel((ids) => cancels.push(...ids));
          // A claim waits for a task when the server dies.
          const waiting = assert.rejects(broker.claim(1, signal), BrokerUnavailableError);
          await server.kill("SIGKILL");
          await waiting;
          await until("it knows that the server is gone", PATIENCE_MS, () => broker.connection().state !== "connected");
          await assert.rejects(broker.enqueue([task("meanwhile")]), BrokerUnavailableError);

          await server.restart();
          await until("it is connected again", PATIENCE_MS, () => broker.connection().state === "connected");
          assert.equal(broker.connection().lastError, null);
          assert.equal((await broker.record("before"))?.state, "done");
          await broker.enqueue([task("after")]);
          const delivery = await until("it claims again", PATIENCE_MS, async () => (await broker.claim(1, signal))[0]);
          assert.equal(idOf(delivery), "after");
          await until("it hears of cancels again", PATIENCE_MS, async () => {
            await broker.cancel(["after"]);
            return cancels.includes("after");
          });
          assert.deepEqual(await broker.complete([done(delivery)]), ["recorded"]);
          assert.equal((await countOf(broker)).done, 2);
          assert.deepEqual(await usedDbs(server), ["db5"]);
        });
      });
    },
  );
});

describe("the executable", () => {
  let stage: Stage;
  let program: [string];

  before(async () => {
    stage = Stage.make();
    program = [join(stage.folder, "taskexe")];
    await promisify(execFile)(join(ROOT, "node_modules/.bin/bun"), [join(ROOT, "scripts/build.ts"), ...program]);
  }, SLOW);
  after(() => stage.end());

  const run = (broker: string, ...args: string[]) => stage.run([...args, "--broker", broker], { program });

  test("enqueues and tells the status over TLS, and shows neither the password nor a warning", SLOW, async () => {
    await withServer({ tls: "server", users: USERS }, async (server) => {
      const shown = `rediss://127.0.0.1:${server.port}/5`;
      for (const [index, query] of [TRUSTED, { insecure: "1" }].entries()) {
        const url = addressOf(server, { ...KNOWN, db: 5, query });
        const enqueued = await run(url, "enqueue", "noop", "--id", `t${index}`);
        assert.deepEqual(enqueued, { code: 0, signal: null, stdout: `t${index}\n`, stderr: "" });
        const status = await run(url, "status", "--json");
        assert.deepEqual([status.code, status.stderr], [0, ""]);
        const { broker, queues } = JSON.parse(status.stdout);
        assert.deepEqual([broker.kind, broker.url, queues[0].queued], ["redis", shown, index + 1]);
        assert.match((await run(url, "status")).stdout, new RegExp(`broker +${shown}\n`));
      }
      assert.deepEqual(await usedDbs(server), ["db5"]);
    });
  });

  test("enqueues and tells the status with a password without TLS, and over a unix socket", SLOW, async () => {
    const tells = async (url: string, shown: string) => {
      assert.equal((await run(url, "enqueue", "noop")).code, 0);
      const { broker, lag } = JSON.parse((await run(url, "status", "--json")).stdout);
      assert.deepEqual([broker.url, lag], [shown, 1]);
    };
    await withServer({ users: USERS }, async (server) => {
      await tells(addressOf(server, { ...KNOWN, db: 5 }), `redis://127.0.0.1:${server.port}/5`);
    });
    await withServer({ unixSocket: true }, async (server) => {
      const socket = `unix://${join(server.dir, "redis.sock")}?db=5`;
      await tells(socket, socket);
    });
  });

  test("tells in one line why it was refused, without the password, and exits with 1", SLOW, async () => {
    await withServer({ tls: "server", users: USERS }, async (server) => {
      const stranger = { user: USER, password: WRONG };
      const cases: readonly (readonly [url: string, reason: RegExp])[] = [
        [addressOf(server, stranger), NOT_TRUSTED],
        [addressOf(server, { ...stranger, query: TRUSTED }), /WRONGPASS invalid username-password pair/],
        [addressOf(server, { query: TRUSTED }), /NOAUTH/],
        [addressOf(server, { ...KNOWN, db: 16, query: TRUSTED }), /ERR DB index is out of range/],
      ];
      await Promise.all(
        cases.flatMap(([url, reason]) =>
          [["enqueue", "noop"], ["status"]].map(async (args) => {
            let { code, stdout, stderr } = await run(url, ...args);
            // So many at once on a busy machine: one that heard nothing in its 3 s cannot tell why, and is run again.
            for (let tries = 1; tries < 5 && UNHEARD.test(stderr); tries += 1) {
              ({ code, stdout, stderr } = await run(url, ...args));
            }
            assert.deepEqual([code, stdout], [1, ""], stderr);
            assert.match(stderr, /^taskexe: the broker rediss:\/\/127\.0\.0\.1:\d+\/\d+ cannot be reached: [^\n]+\n$/);
            assert.match(stderr, reason);
            assert.doesNotMatch(stderr, /wr0ng|s3cr3t|r1ght/);
          }),
        ),
      );
    });
  });

  test("tells what is wrong with an address, without the password, and exits with 2", SLOW, async () => {
    const cases: Readonly<Record<string, RegExp>> = {
      [`rediss://${USER}:${WRONG}@localhost?ca=missing.crt`]:
        /the file that ca= names cannot be read: ENOENT.*missing.crt/,
      [`redis://${USER}:${WRONG}%@localhost`]: /a "%" in a user, password or path is written %25/,
      [`redis://${USER}:1/${WRONG}@localhost/1`]: /a "\/" in a password is written %2F/,
    };
    for (const [url, reason] of Object.entries(cases)) {
      const { code, stderr } = await run(url, "status");
      assert.equal(code, 2, stderr);
      assert.match(stderr, reason);
      assert.doesNotMatch(stderr, /wr0ng|s3cr3t/);
    }
  });
});

test("a file without a certificate is no authority", () => {
  assert.throws(() => parseRedisAddress(`rediss://localhost?ca=${import.meta.filename}`), BrokerUrlError);
});

test("a parameter that is not known, or says nothing, is refused by its name", () => {
  for (const [address, reason] of [
    ["redis://localhost?db=3", /takes none behind the "\?", got "db"/],
    ["rediss://localhost?CA=x", /takes ca, insecure, each once behind the "\?", got "CA"/],
    ["rediss://localhost?insecure=true", /insecure .* must be 1 \(trust any certificate\) or 0, got "true"/],
    ["unix:///run/redis.sock?db=1&db=2", /takes db, username, password, each once/],
  ] as const) {
    assert.throws(
      () => parseRedisAddress(address),
      (error) => error instanceof BrokerUrlError && reason.test(error.message),
      address,
    );
  }
});

test("a name is sent to the TLS server, an IP address never is", () => {
  const names = ["redis.example", "127.0.0.1", "[::1]", "[fe80::1]"].map((host) => {
    return parseRedisAddress(`rediss://${host}`).options.tls?.servername;
  });
  assert.deepEqual(names, ["redis.example", undefined, undefined, undefined]);
});

interface Parts {
  readonly user?: string;
  readonly password?: string;
  readonly host?: string;
  readonly db?: number;
  readonly query?: Readonly<Record<string, string>>;
}

/** The address of a server, with other parts. */
function addressOf(server: RedisServer, { user = "", password = "", host, db, query = {} }: Parts): string {
  const url = new URL(server.url);
  url.username = encodeURIComponent(user);
  url.password = encodeURIComponent(password);
  if (host !== undefined) url.hostname = host;
  if (db !== undefined) url.pathname = `/${db}`;
  url.search = String(new URLSearchParams(query));
  return url.href;
}

async function withServer(options: RedisServerOptions, use: (server: RedisServer) => Promise<void>): Promise<void> {
  const server = await startRedis(options);
  try {
    await use(server);
  } finally {
    await server.stop();
  }
}

/** Gives an executor's broker to `use`, not opened yet, and closes it; the signal ends with the block. */
async function withBroker(url: string, use: (broker: Broker, signal: AbortSignal) => Promise<void>): Promise<void> {
  const broker = await createBroker(url, { executor: "one", queues: [QUEUE], leaseMs: 30_000 });
  const root = openRoot();
  try {
    await use(broker, root.signal);
  } finally {
    root.cancel("the test is over");
    await broker.close();
  }
}

/** Asks the server itself, as the user that may come in, through a client of no broker. */
async function ask<T>(server: RedisServer, question: (redis: Redis) => Promise<T>): Promise<T> {
  const tls = server.url.startsWith("rediss:") ? { tls: { rejectUnauthorized: false } } : {};
  const user = { username: USER, password: PASSWORD };
  const redis = new Redis({ port: server.port, host: "127.0.0.1", ...user, ...tls, lazyConnect: true });
  try {
    await redis.connect();
    return await question(redis);
  } finally {
    redis.disconnect();
  }
}

/** The dbs of the server in which there is anything. */
async function usedDbs(server: RedisServer): Promise<string[]> {
  return (await ask(server, (redis) => redis.info("keyspace"))).match(/^db\d+/gm) ?? [];
}

/** Takes one task through its whole life. */
async function runsTask(broker: Broker, signal: AbortSignal, id: string): Promise<void> {
  const before = await countOf(broker);
  assert.deepEqual(await broker.enqueue([task(id)]), [{ id, created: true, state: "queued" }]);
  assert.deepEqual(await countOf(broker), { ...before, queued: before.queued + 1 });
  const delivery = await claimOne(broker, signal);
  assert.equal(idOf(delivery), id);
  assert.deepEqual(await countOf(broker), { ...before, running: before.running + 1 });
  assert.deepEqual(await broker.complete([done(delivery)]), ["recorded"]);
  assert.deepEqual(await countOf(broker), { ...before, done: before.done + 1 });
}

/** Opens a broker at an address where there is nothing yet and takes a task through it; gives the address it shows. */
async function works(url: string): Promise<string> {
  let shown = "";
  await withBroker(url, async (broker, signal) => {
    await broker.open(signal);
    assert.deepEqual(await countOf(broker), NOTHING);
    await runsTask(broker, signal, "one");
    shown = broker.url;
  });
  return shown;
}

/** Tries to open a broker where it is refused, again and again; gives all that it says of it, in lines. */
async function refusalOf(url: string): Promise<string> {
  const said: string[] = [];
  await withBroker(url, async (broker) => {
    const { cancelled } = await moveOnAfter(openRoot(), ATTEMPTS_MS, (scope) => {
      broker.onConnectionChange(({ lastError }) => {
        said.push(lastError ?? "connected");
      });
      return broker.open(scope.signal);
    });
    assert.ok(cancelled, `it was let in, and said: ${said.join("; ")}`);
    assert.ok(said.length > 0 && !said.includes("connected"), `it said: ${said.join("; ")}`);
    const refused = await broker.enqueue([task("lost")]).catch((error: unknown) => error);
    assert.ok(refused instanceof BrokerUnavailableError, String(refused));
    said.push(refused.message, broker.url);
  });
  return said.join("\n");
}
