import assert from "node:assert/strict";
import { test } from "node:test";
import { createApp } from "../../src/http/app.ts";
import { isLoopback } from "../../src/http/ip-loopback.ts";
import { fakeSource } from "../stage/fake-source.ts";

async function statusFor(host: string, hostname = "127.0.0.1", address = hostname): Promise<number> {
  const app = createApp(fakeSource(), { listener: { hostname, address } });
  return (await app.request("/healthz", { headers: { host } })).status;
}

test("on loopback the names of this machine are answered, with any port and in any case", async () => {
  for (const host of [
    "localhost",
    "localhost:8080",
    "LocalHost:1",
    "127.0.0.1",
    "127.0.0.1:65535",
    "[::1]",
    "[::1]:80",
  ]) {
    assert.equal(await statusFor(host), 200, host);
  }
});

test("on loopback every other host is refused, look-alikes too", async () => {
  const hosts = [
    "evil.example",
    "evil.example:8080",
    "localhost.evil.example",
    "evil-localhost",
    "127.0.0.1.nip.io",
    "10.0.0.1",
    "[::2]",
  ];
  for (const host of hosts) assert.equal(await statusFor(host), 421, host);
});

test("a Host that is no host is refused on every listener", async () => {
  for (const host of [
    "localhost@evil.example",
    "localhost, evil.example",
    "localhost:80:80",
    "localhost:",
    "[::1",
    "user@x:99999",
    "x:99999",
    "a/b?",
    "127.0.0.1/abc",
    "127.0.0.1?",
    "127.0.0.1#",
    "127.0.0.1\\x",
    "a b",
    "%31",
    "\u00e4",
  ]) {
    for (const hostname of ["127.0.0.1", "0.0.0.0"]) assert.equal(await statusFor(host, hostname), 400, host);
  }
});

test("a refused host is told which ones are answered", async () => {
  const response = await createApp(fakeSource()).request("/status", { headers: { host: "evil.example" } });
  const body: { error: string; got: string } = await response.json();
  assert.match(body.error, /localhost, 127\.0\.0\.1, \[::1\]/);
  assert.equal(body.got, "evil.example");
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
});

test("the hostname that is listened on is answered too", async () => {
  assert.equal(await statusFor("127.0.0.2:80", "127.0.0.2"), 200);
  assert.equal(await statusFor("tasks.localhost", "tasks.localhost", "127.0.0.1"), 200);
  assert.equal(await statusFor("tasks", "tasks", "127.0.1.1"), 200);
  assert.equal(await statusFor("[::1]:80", "::1"), 200);
  assert.equal(await statusFor("[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1"), 200);
  for (const host of ["127.1:80", "localhost"]) assert.equal(await statusFor(host, "127.1", "127.0.0.1"), 200, host);
});

test("on a network address every host is answered, since its names are not known here", async () => {
  for (const hostname of ["0.0.0.0", "::", "10.1.2.3", "tasks.example"]) {
    assert.equal(await statusFor("tasks.example:8080", hostname), 200, hostname);
  }
});

test("what is listened on is judged by the address that was bound, not by its spelling", async () => {
  for (const hostname of ["127.1", "2130706433", "localhost", "tasks.example", "::ffff:7f00:1"]) {
    const address = hostname.startsWith("::") ? hostname : "127.0.0.1";
    assert.equal(await statusFor("evil.example", hostname, address), 421, hostname);
  }
  for (const hostname of ["localhost", "127.evil.example"]) {
    assert.equal(await statusFor("evil.example", hostname, "10.1.2.3"), 200, hostname);
  }
});

test("loopback is 127.0.0.0/8 and ::1, in every spelling of IPv6, and no name", () => {
  const spellings = ["0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::FFFF:7F00:1", "[::ffff:127.9.9.9]"];
  for (const name of ["127.0.0.1", "127.8.9.10", "::1", "[::1]", ...spellings]) {
    assert.equal(isLoopback(name), true, name);
  }
  for (const name of ["0.0.0.0", "::", "10.0.0.1", "localhost", "127.evil.example", "::ffff:10.0.0.1", "::1:1", ""]) {
    assert.equal(isLoopback(name), false, name);
  }
});
