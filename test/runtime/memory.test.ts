/**
 * Memory figures against the kernel's own, and what allocation tracking tells of objects made on purpose.
 */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { runtime } from "../../src/runtime/index.ts";

const MIB = 1024 * 1024;

test("memory is told in bytes, as the kernel sees it", { skip: process.platform !== "linux" }, async () => {
  const { rssBytes, heapBytes, maxRssBytes } = runtime.memory();
  const status = await readFile("/proc/self/status", "utf8");
  const near = (told: number, name: string) => {
    const seen = Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
    assert.ok(Math.abs(told - seen) < 64 * MIB, `${told} is far from ${name} ${seen}`);
  };
  near(rssBytes, "VmRSS");
  near(maxRssBytes, "VmHWM");
  assert.ok(rssBytes > 8 * MIB && maxRssBytes > 8 * MIB);
  assert.ok(heapBytes > 64 * 1024 && heapBytes < rssBytes);
});

test("memory of the heap falls when garbage is collected", () => {
  growAndForget();
  const before = runtime.memory().heapBytes;
  assert.equal(runtime.collectGarbage(), true);
  const after = runtime.memory().heapBytes;
  assert.ok(before - after > 8 * MIB, `${before} fell to ${after}`);
});

test("allocation tracking names what grew, and the peak", async () => {
  const { allocations } = runtime;
  assert.equal(allocations.active, false);
  await allocations.start();
  assert.equal(allocations.active, true);
  const kept = keepMany();
  const { currentBytes, peakBytes } = allocations.figures();
  assert.ok(peakBytes >= currentBytes && currentBytes > MIB);
  const report = await allocations.stop();
  assert.equal(allocations.active, false);
  assert.equal(kept.length, 200_000);

  assert.ok(report);
  assert.ok(report.peakBytes >= report.currentBytes && report.peakBytes >= peakBytes);
  assert.ok(report.grown.length > 0 && report.grown.length <= 20);
  if (runtime.name === "bun") {
    const row = report.grown.find(({ label }) => label === "Object");
    assert.ok((row?.count ?? 0) >= 200_000, JSON.stringify(report.grown));
  } else {
    const row = report.grown.find(({ label }) => /^keepMany .*memory\.test\.ts:\d+$/.test(label));
    assert.ok((row?.bytes ?? 0) > MIB, JSON.stringify(report.grown));
  }
});

test("allocation tracking started twice goes on with the first and stops once", async () => {
  const { allocations } = runtime;
  await Promise.all([allocations.start(), allocations.start()]);
  await allocations.start();
  assert.notEqual(await allocations.stop(), null);
  assert.equal(await allocations.stop(), null);
});

test("allocation tracking can be stopped and started in one breath, and begins anew", async () => {
  const { allocations } = runtime;
  const first = allocations.start();
  const report = allocations.stop();
  const second = allocations.start();
  await Promise.all([first, report, second]);
  assert.equal(allocations.active, true);
  assert.notEqual(await allocations.stop(), null);
});

test("the figures without tracking are the heap now", () => {
  const { currentBytes, peakBytes } = runtime.allocations.figures();
  assert.equal(currentBytes, peakBytes);
  assert.ok(currentBytes > 64 * 1024);
});

function growAndForget(): void {
  keepMany();
}

function keepMany(): object[] {
  const kept: object[] = [];
  for (let i = 0; i < 200_000; i++) kept.push({ i, twice: 2 * i, text: `item ${i}` });
  return kept;
}
