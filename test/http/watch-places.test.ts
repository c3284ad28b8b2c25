/** How many may watch, and how many of one client. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WatchPlaces } from "../../src/http/api/watch/watch-places.ts";

test("one client of the network has some places, and leaves the others to others", () => {
  const places = new WatchPlaces(5, 2);
  const leave = places.take("10.0.0.7");
  assert.equal(typeof leave, "function");
  assert.equal(typeof places.take("10.0.0.7"), "function");
  assert.deepEqual(places.take("10.0.0.7"), { count: 2, isOfOne: true });
  assert.equal(typeof places.take("10.0.0.8"), "function");
  if (typeof leave === "function") leave();
  assert.equal(typeof places.take("10.0.0.7"), "function");
  assert.equal(typeof places.take("127.0.0.1"), "function");
  assert.equal(typeof places.take(""), "function");
  assert.deepEqual(places.take("10.0.0.9"), { count: 5, isOfOne: false });
});

test("addresses of one network of IPv6 are one client, and those of this machine only the whole bounds", () => {
  const places = new WatchPlaces(100, 2);
  for (const peer of ["2001:db8::1", "2001:db8:0:0:ffff::2"]) assert.equal(typeof places.take(peer), "function");
  assert.deepEqual(places.take("2001:db8::abcd:1:2:3"), { count: 2, isOfOne: true });
  assert.equal(typeof places.take("2001:db8:0:1::1"), "function");
  for (const peer of ["127.0.0.1", "::1", "unix"]) {
    for (let n = 0; n < 5; n++) assert.equal(typeof places.take(peer), "function", peer);
  }
  for (let n = 0; n < 2; n++) assert.equal(typeof places.take(""), "function");
  assert.deepEqual(places.take(""), { count: 2, isOfOne: true });
});
