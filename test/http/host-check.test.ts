import assert from "node:assert/strict";
import { test } from "node:test";
import { createApp } from "../../src/http/app.ts";
import { isLoopback } from "../../src/http/host-check.ts";
import { fakeSource } from "./fake-source.ts";

async function statusFor(host: string, hostname?: string): Promise<number> {
  const app = createApp(fakeSource(), hostname === undefined ? {} : { hostname });
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
    "localhost@evil.example",
    "localhost, evil.example",
    "localhost:80:80",
    "localhost:",
    "[::1",
    "10.0.0.1",
  ];
  for (const host of hosts) assert.equal(await statusFor(host), 421, host);
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
  assert.equal(await statusFor("tasks.localhost", "tasks.localhost"), 200);
  assert.equal(await statusFor("[::1]:80", "::1"), 200);
});

test("on a network address every host is answered, since its names are not known here", async () => {
  for (const hostname of ["0.0.0.0", "::", "10.1.2.3", "tasks.example"]) {
    assert.equal(await statusFor("tasks.example:8080", hostname), 200, hostname);
  }
});

test("loopback is 127.0.0.0/8, ::1 and localhost with what is below it", () => {
  for (const name of ["127.0.0.1", "127.8.9.10", "::1", "[::1]", "localhost", "LOCALHOST", "a.localhost"]) {
    assert.equal(isLoopback(name), true, name);
  }
  for (const name of ["0.0.0.0", "::", "10.0.0.1", "localhost.example", "127.evil.example"]) {
    assert.equal(isLoopback(name), false, name);
  }
});
