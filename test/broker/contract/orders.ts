/** Orders for one executor: left by anybody, brought by its next beat, over after a while. */
import assert from "node:assert/strict";
import type { Sentence } from "../../stage/sentences.ts";
import { eventually } from "../../stage/until.ts";

export function executorOrderSentences(sentence: Sentence): void {
  sentence("the last order for an executor comes with its beats, and with those of no other", async (stage) => {
    const [a, b, client] = [await stage.open("a"), await stage.open("b"), await stage.open(null)];
    assert.equal(await a.beat("{}"), null);
    await client.order("a", '{"id":"one"}');
    await client.order("a", '{"id":"two"}');
    assert.equal(await b.beat("{}"), null);
    assert.equal(await a.beat("{}", false), '{"id":"two"}');
    // Its answer may be lost: it comes again until it is over.
    assert.equal(await a.beat("{}"), '{"id":"two"}');
  });

  sentence("an executor hears of an order when it is left, and others of their own alone", async (stage) => {
    const [a, b, client] = [await stage.open("a"), await stage.open("b"), await stage.open(null)];
    const heard: string[] = [];
    const [stopA, stopB] = [a.onOrder(() => heard.push("a")), b.onOrder(() => heard.push("b"))];
    await client.order("a", '{"id":"one"}');
    await eventually(15_000, async () => heard.length > 0);
    await client.order("b", '{"id":"two"}');
    await eventually(15_000, async () => heard.length > 1);
    assert.deepEqual(heard, ["a", "b"]);
    stopA();
    stopB();
  });
}
