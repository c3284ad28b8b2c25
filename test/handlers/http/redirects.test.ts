import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Lookup } from "../../../src/handlers/http/destination.ts";
import { type Answering, answerWith, closeEndpoints, endpointThat } from "../../stage/endpoint.ts";
import { failureOf, runOn } from "./stage.ts";

after(closeEndpoints);

const DONE = answerWith("200 OK", '"done"');

/** Answers the first request with a redirect, and each later one as done. */
function sendOn(location: string, status = "307 On"): Answering {
  let first = true;
  return (socket, received) => {
    (first ? answerWith(status, "", { Location: location }) : DONE)(socket, received);
    first = false;
  };
}

/** Names and their addresses. */
function names(addresses: Readonly<Record<string, readonly string[]>>, asked: string[] = []): Lookup {
  return (hostname, _options, callback) => {
    asked.push(hostname);
    const found = addresses[hostname];
    if (found === undefined) return callback(new Error(`getaddrinfo ENOTFOUND ${hostname}`), []);
    callback(
      null,
      found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    );
  };
}

/** What becomes of a redirect to there. */
async function redirected(location: string, allow: readonly string[] = [], lookup = names({})): Promise<string> {
  const endpoint = await endpointThat(sendOn(location));
  return failureOf(await runOn(endpoint.url(), { allow, lookup }));
}

test("the same request goes on to another path of the host; See Other asks with GET", async () => {
  for (const status of ["301 A", "302 B", "307 C", "308 D"]) {
    const endpoint = await endpointThat(sendOn("/other?x=1", status));
    const ending = await runOn(endpoint.url("/first"), { keys: [Buffer.from("a secret of ours")] }, { payload: [1] });
    assert.deepEqual(ending, { kind: "done", result: '"done"', omitted: null });
    const [first, second] = endpoint.received;
    assert.equal(second?.path, "/other?x=1");
    assert.deepEqual([second.method, second.body, second.headers], ["POST", "[1]", first?.headers]);
  }
  const endpoint = await endpointThat(sendOn("/other", "303 See Other"));
  assert.equal((await runOn(endpoint.url())).kind, "done");
  const [, second] = endpoint.received;
  assert.deepEqual([second?.method, second?.body], ["GET", ""]);
  assert.equal(second?.headers["webhook-signature"], undefined);
});

test("another host, and another port of this one, is refused and not retried unless it is allowed", async () => {
  const other = await endpointThat(DONE);
  const refused =
    /^no retry: POST http:\/\/HOST: it answered 307, a redirect to http:\/\/HOST, which is refused: it is /;
  assert.match(await redirected(other.url()), refused);
  assert.equal(other.connections, 0);
  assert.equal(await redirected(other.url(), ["127.0.0.1"]), "done");
  assert.equal(await redirected(other.url(), [`127.0.0.1:${other.port}`]), "done");
  assert.equal(await redirected(other.url(), ["127.0.0.0/8"]), "done");
  assert.match(await redirected(other.url(), ["127.0.0.1:1"]), refused);
});

test("addresses that are no public ones are refused in each of their spellings", async () => {
  const spellings = {
    "link-local": ["169.254.169.254", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "2852039166", "0xa9fea9fe"],
    loopback: ["127.0.0.1", "127.1", "0x7f.1", "017700000001", "[::1]", "[0:0:0:0:0:0:0:1]"],
    private: ["10.0.0.1", "192.168.1.1", "172.16.0.1", "[fc00::1]"],
    reserved: ["0.0.0.0", "[::]", "0"],
  };
  for (const [kind, hosts] of Object.entries(spellings)) {
    for (const host of hosts) {
      const said = await redirected(`http://${host}:9/`);
      assert.match(said, new RegExp(`^no retry: .* another host, of a ${kind} address, that is not in allow$`), host);
    }
  }
});

test("a name counts by the addresses that it has when the connection is made", async () => {
  const other = await endpointThat(DONE);
  const to = `http://partner.example:${other.port}/`;
  const at = (...addresses: string[]) => names({ "partner.example": addresses });
  const asked: string[] = [];
  assert.match(await redirected(to, [], names({}, asked)), /another host that is not in allow$/);
  assert.deepEqual(asked, [], "who is not allowed is not looked up");
  assert.match(
    await redirected(to, ["partner.example"], at("127.0.0.1")),
    /^no retry: .*partner\.example:\d+ is refused: its address 127\.0\.0\.1 is a loopback one, and not in allow$/,
  );
  assert.match(
    await redirected(to, ["partner.example"], at("169.254.169.254")),
    /is a link-local one, and not in allow/,
  );
  assert.match(await redirected(to, ["partner.example"], at("::ffff:10.0.0.1")), /is a private one/);
  assert.equal(await redirected(to, ["partner.example", "127.0.0.0/8"], at("127.0.0.1")), "done");
  assert.equal(await redirected(to, ["127.0.0.0/8"], at("10.0.0.1", "127.0.0.1")), "done", "one of them is allowed");
  assert.match(
    await redirected(to, ["10.0.0.0/8"], at("127.0.0.1")),
    /neither it nor its address 127.0.0.1 is in allow/,
  );
  assert.match(await redirected(to, ["partner.example"], names({})), /^retry: .*ENOTFOUND partner\.example/);
});

test("localhost is allowed by its name", async () => {
  const other = await endpointThat(DONE);
  const to = `http://localhost:${other.port}/`;
  assert.equal(await redirected(to, ["localhost"], names({ localhost: ["127.0.0.1"] })), "done");
  assert.match(await redirected(to, ["localhost"], names({ localhost: ["10.0.0.1"] })), /is a private one/);
});

test("the configured host may have any address, and its name is looked up once for a connection", async () => {
  const endpoint = await endpointThat(DONE);
  const asked: string[] = [];
  const lookup = names({ "worker.internal": ["127.0.0.1"] }, asked);
  const ending = await runOn(`http://worker.internal:${endpoint.port}/`, { lookup });
  assert.equal(ending.kind, "done");
  assert.deepEqual(asked, ["worker.internal"]);
  assert.equal(endpoint.received[0]?.headers.host, `worker.internal:${endpoint.port}`);
});

test("configured headers stay with the configured host", async () => {
  const other = await endpointThat(DONE);
  const endpoint = await endpointThat(sendOn(other.url()));
  await runOn(endpoint.url(), { headers: { Authorization: "Bearer abcd" }, allow: ["127.0.0.1"] });
  assert.equal(endpoint.received[0]?.headers.authorization, "Bearer abcd");
  assert.equal(other.received[0]?.headers.authorization, undefined);
});

test("redirects have an end, and lead to http and https alone", async () => {
  const endpoint = await endpointThat(answerWith("307 On", "", { Location: "/again" }));
  assert.match(failureOf(await runOn(endpoint.url())), /^no retry: .*more than 5 redirects$/);
  assert.equal(endpoint.received.length, 6);
  assert.match(await redirected("file:///etc/passwd"), /^no retry: .*file: is not spoken, only http: and https:$/);
  assert.match(await redirected("gopher://127.0.0.1/"), /^no retry/);
  assert.match(
    await redirected("http://"),
    /^no retry: .*a redirect to what is no URL, which is refused: it is no URL$/,
  );
  assert.match(await redirected("http://user:pass@127.0.0.1/"), /it names a user$/);
});
