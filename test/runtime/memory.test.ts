/**
 * Memory figures against the kernel's own, and what allocation tracking tells of objects made on purpose.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { runtime } from "../../src/runtime/index.ts";

const MIB = 1024 * 1024;

test("memory is told in bytes, as the kernel sees it", { skip: process.platform !== "linux" }, () => {
  const before = kernelFigures("self");
  const { rssBytes, heapBytes, maxRssBytes } = runtime.memory();
  const after = kernelFigures("self");
  const near = (told: number, seen: readonly number[]) => {
    const isNear = told > Math.min(...seen) - 64 * MIB && told < Math.max(...seen) + 64 * MIB;
    assert.ok(isNear, `${told} is far from ${seen.join(" and ")}`);
  };
  // Other threads give memory back meanwhile.
  near(rssBytes, [before.VmRSS, after.VmRSS]);
  // The kernel counts for a process what its parent had when it started it; in a container it may have none.
  const parent = process.ppid === 0 ? after : kernelFigures(process.ppid);
  near(maxRssBytes, [before.VmHWM, Math.max(after.VmHWM, parent.VmHWM)]);
  assert.ok(rssBytes > 8 * MIB && maxRssBytes > 8 * MIB);
  assert.ok(heapBytes > 64 * 1024 && heapBytes < rssBytes);
});

test("what only the start needed is given back where the runtime can, and all goes on", () => {
  const fileMiB = (): number =>
    Number(/^RssFile:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? 0) / 1024;
  const calls = runtime.linuxCalls();
  const before = calls === null ? 0 : fileMiB();
  runtime.giveBackMemory();
  const after = calls === null ? 0 : fileMiB();
  assert.deepEqual(JSON.parse('{"all":["goes","on"]}'), { all: ["goes", "on"] });
  if (runtime.name === "bun" && calls !== null) assert.ok(before - after > 2, `${before} MiB fell to ${after}`);
});

test("memory of the heap falls when garbage is collected", async () => {
  const kept = new Map([["many", keepMany()]]);
  // Bun's figure is that of the last full collection: one that may be long ago where the heap is large.
  assert.equal(runtime.collectGarbage(), true);
  const before = runtime.memory().heapBytes;
  kept.clear();
  const after = await leastHeap();
  assert.ok(before - after > 8 * MIB, `${before} fell to ${after}`);
});

test("allocation tracking names what grew, and the peak", async () => {
  const { allocations } = runtime;
  assert.equal(allocations.active, false);
  // What others have left and what goes while it is tracked would be taken off what grows.
  await leastHeap();
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
    const row = report.grown.find(({ label }) => /^Object\b/.test(label));
    // A little of what others have left may still go.
    assert.ok((row?.count ?? 0) >= 190_000, JSON.stringify(report.grown));
  } else {
    const row = report.grown.find(({ label }) => /^keepMany .*memory\.test\.ts:\d+$/.test(label));
    assert.ok((row?.bytes ?? 0) > MIB, JSON.stringify(report.grown));
  }
});

test("allocation tracking names the classes of what grew", { skip: !("Bun" in globalThis) }, async () => {
  class Chunk {
    readonly bytes = [0];
  }
  class Larger extends Chunk {}
  // In a process of its own the heap is small enough; here others may have filled it.
  const most = { atStart: 50_000_000, atEnd: 50_000_000 };
  const { observeObjectCounts } = await import("../../src/runtime/memory/object-counts.ts");
  const finish = await observeObjectCounts(most);
  const kept = Array.from({ length: 6_000 }, () => [new Chunk(), new Larger(), { plain: 1 }]);
  const grown = await finish();
  const countOf = (label: string) => grown.find((row) => row.label === label)?.count ?? 0;
  assert.equal(kept.length, 6_000);
  assert.equal(countOf("Chunk"), 6_000, JSON.stringify(grown));
  assert.equal(countOf("Larger"), 6_000, JSON.stringify(grown));
  assert.ok(countOf("Object") >= 5_500 && countOf("Object") < 11_000, JSON.stringify(grown));
});

test("where there are too many objects, what grew is told by type, and that its class is not known", {
  skip: !("Bun" in globalThis),
}, async () => {
  const { observeObjectCounts } = await import("../../src/runtime/memory/object-counts.ts");
  for (const most of [
    { atStart: 10, atEnd: 50_000_000 },
    { atStart: 50_000_000, atEnd: 10 },
  ]) {
    const finish = await observeObjectCounts(most);
    const kept = Array.from({ length: 20_000 }, (_, at) => ({ at }));
    const grown = await finish();
    assert.equal(kept.length, 20_000);
    const row = grown.find(({ label }) => label === "Object (too many live objects to tell their classes)");
    assert.ok((row?.count ?? 0) >= 18_000, JSON.stringify(grown));
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

/** The heap after a few collections. One may leave what the stack still seems to hold; the next turns use that anew. */
async function leastHeap(): Promise<number> {
  const sizes: number[] = [];
  for (let i = 0; i < 3; i++) {
    await runtime.sleep(1);
    runtime.collectGarbage();
    sizes.push(runtime.memory().heapBytes);
  }
  return Math.min(...sizes);
}

/** What the kernel tells of the memory of a process, in bytes. */
function kernelFigures(pid: number | "self"): { VmRSS: number; VmHWM: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const figure = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
  return { VmRSS: figure("VmRSS"), VmHWM: figure("VmHWM") };
}

function keepMany(): object[] {
  const kept: object[] = [];
  for (let i = 0; i < 200_000; i++) kept.push({ i, twice: 2 * i, text: `item ${i}` });
  return kept;
}
