import assert from "node:assert/strict";
import { isIP } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { allowsAddress, allowsHost, readAllowedHost } from "../../../src/runtime/net/allowed-host.ts";
import { ipBytes, isWithin, readNetwork, specialUse } from "../../../src/runtime/net/ip.ts";

function bytesOf(text: string): Uint8Array {
  return ipBytes(text) ?? assert.fail(`no address: ${text}`);
}

function allowed(...texts: readonly string[]) {
  return texts.map((text) => readAllowedHost(text) ?? assert.fail(`no host: ${text}`));
}

test("an address has the same bytes in each of its spellings", () => {
  const same = [
    ["127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1", "0:0:0:0:0:FFFF:7f00:0001"],
    ["::1", "0:0:0:0:0:0:0:1", "0::0:1"],
    ["fd00::", "fd00:0::0", "FD00:0:0:0:0:0:0:0"],
  ];
  for (const [first = "", ...others] of same) {
    for (const other of others) assert.deepEqual(bytesOf(other), bytesOf(first), other);
  }
});

test("an address is one exactly where the runtime says so", () => {
  const wrong = ["", "1.2.3", "256.1.1.1", "1.2.3.4.5", ":", ":::", "1::2::3", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7"];
  for (const text of [...wrong, "1:2:3:4:5:6:7::8", "12345::", "g::", "1.2.3.4::", "::1.2.3", "localhost", "0x7f.1"]) {
    assert.equal(ipBytes(text) !== null, isIP(text) !== 0, text);
  }
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => (ipBytes(text) !== null) === (isIP(text) !== 0)));
});

test("what is no public address is known by its kind", () => {
  const kinds = {
    loopback: ["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1"],
    "link-local": ["169.254.169.254", "::ffff:a9fe:a9fe", "fe80::1", "febf::1"],
    private: ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fc00::1", "fdff::1"],
    multicast: ["224.0.0.1", "239.255.255.255", "ff02::1"],
    translated: ["64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "2001:0::1"],
    documentation: ["192.0.2.1", "203.0.113.9", "2001:db8::1"],
    reserved: ["0.0.0.0", "240.0.0.1", "255.255.255.255", "198.18.0.1", "::", "::7f00:1"],
  };
  for (const [kind, texts] of Object.entries(kinds)) {
    for (const text of texts) assert.equal(specialUse(bytesOf(text)), kind, text);
  }
  for (const text of [
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "172.15.0.1",
    "172.32.0.1",
    "2606:4700::1111",
    "fec0::1",
  ]) {
    assert.equal(specialUse(bytesOf(text)), text === "fec0::1" ? "private" : null, text);
  }
});

test("a network is what its bits say", () => {
  const network = readNetwork("10.1.128.0/17") ?? assert.fail();
  assert.ok(isWithin(bytesOf("10.1.128.0"), network));
  assert.ok(isWithin(bytesOf("10.1.255.255"), network));
  assert.ok(!isWithin(bytesOf("10.1.127.255"), network));
  const all = readNetwork("0.0.0.0/0") ?? assert.fail();
  assert.ok(isWithin(bytesOf("8.8.8.8"), all));
  assert.ok(!isWithin(bytesOf("2606:4700::1111"), all), "IPv6 is no part of IPv4");
  for (const text of ["10.0.0.0/33", "fd00::/129", "10.0.0.0/", "/8", "a/8"])
    assert.equal(readNetwork(text), null, text);
});

test("a host is allowed by its name, its address or its network, on one port or on all", () => {
  assert.ok(allowsHost(allowed("Api.example.com"), "api.example.com", 443));
  assert.ok(!allowsHost(allowed("api.example.com:8443"), "api.example.com", 443));
  assert.ok(allowsHost(allowed("api.example.com:443"), "api.example.com", 443));
  assert.ok(!allowsHost(allowed("example.com"), "api.example.com", 443));
  assert.ok(allowsHost(allowed("10.0.0.0/8"), "10.2.3.4", 80));
  assert.ok(allowsHost(allowed("[fd00::1]:81"), "[fd00:0::1]", 81));
  assert.ok(!allowsHost(allowed("[fd00::1]:81"), "[fd00::1]", 80));
  assert.ok(allowsAddress(allowed("a.example", "192.168.0.1"), bytesOf("::ffff:192.168.0.1"), 80));
  assert.ok(!allowsAddress(allowed("a.example"), bytesOf("192.168.0.1"), 80));
});

test("what is no host is refused", () => {
  const wrong = [
    "",
    "http://a",
    "a/b",
    "a:0",
    "a:65536",
    "a:b",
    "a b",
    "a..b",
    "user@a",
    "[a]",
    "[::1",
    "::1:80x",
    "*.a",
  ];
  for (const text of wrong) assert.equal(readAllowedHost(text), null, text);
});
