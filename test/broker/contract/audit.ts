/** The record of changes: what was added is told, the newest first, and the oldest go. */
import assert from "node:assert/strict";
import { MOST_AUDIT_BYTES } from "../../../src/broker/contract/audit.ts";
import type { Sentence } from "../../stage/sentences.ts";
import { eventually } from "../../stage/until.ts";

export function auditSentences(sentence: Sentence): void {
  sentence("the record of changes is one for all brokers, newest first, page by page", async (stage) => {
    const [a, b] = [(await stage.open("a")).audit, await stage.open(null)];
    assert.deepEqual(await b.audit.list(null, 10), []);
    await a.add(["1", "2"]);
    await b.audit.add(["3"]);
    await a.add([]);
    const all = await a.list(null, 10);
    assert.deepEqual(
      all.map(({ text }) => text),
      ["3", "2", "1"],
    );
    for (const { at } of all) assert.ok(Number.isInteger(at) && Math.abs(at - b.now()) < 60_000, String(at));
    const [first, second] = await b.audit.list(null, 2);
    assert.deepEqual([first?.text, second?.text], ["3", "2"]);
    assert.deepEqual(
      (await b.audit.list(second?.id ?? null, 2)).map(({ text }) => text),
      ["1"],
    );
    assert.deepEqual(await b.audit.list(all[2]?.id ?? null, 2), []);
  });

  sentence(
    "the record of changes is bounded: by the number of its entries, their length, and their age",
    async (stage) => {
      const few = (await stage.open("few", { auditLimits: { most: 3 } })).audit;
      for (const text of ["1", "2", "3", "4"]) await few.add([text]);
      assert.deepEqual(
        (await few.list(null, 10)).map(({ text }) => text),
        ["4", "3", "2"],
      );
      await assert.rejects(few.add(["x".repeat(MOST_AUDIT_BYTES + 1)]), /an entry has 2001 bytes, at most 2000/);
      await few.add(["\u00e9".repeat(MOST_AUDIT_BYTES / 2)]);
      const short = (await stage.open("short", { auditLimits: { keptMs: 50 } })).audit;
      await eventually(20_000, async () => {
        await short.add(["young"]);
        return (await short.list(null, 10)).every(({ text }) => text === "young");
      });
    },
  );
}
