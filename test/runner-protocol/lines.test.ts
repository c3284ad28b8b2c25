/** Lines of the runner protocol: whatever way the bytes come in, and whatever they are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Line, LineSplitter } from "../../src/runner-protocol/line-splitter.ts";

const LIMIT = 64;

/** The bytes in pieces of these lengths, the last ones whole. */
function inPieces(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let from = 0;
  for (const length of lengths) {
    pieces.push(bytes.subarray(from, from + length));
    from += length;
  }
  return [...pieces, bytes.subarray(from)];
}

function linesOf(bytes: Uint8Array, lengths: readonly number[], limit = LIMIT): Line[] {
  const splitter = new LineSplitter(limit);
  const lines = inPieces(bytes, lengths).flatMap((piece) => {
    // Whoever reads may use the memory again at once.
    const lent = Uint8Array.from(piece);
    const found = splitter.split(lent);
    lent.fill(0x21);
    return found;
  });
  const last = splitter.end();
  return last === null ? lines : [...lines, last];
}

const lengths = fc.array(fc.nat(40), { maxLength: 60 });
const short = fc.string({ unit: "binary", maxLength: 15 }).filter((text) => !text.includes("\n"));

test("lines arrive whole and in order, however the bytes are cut", () => {
  fc.assert(
    fc.property(fc.array(short, { maxLength: 30 }), lengths, (texts, cuts) => {
      const bytes = Buffer.from(texts.map((text) => `${text.toWellFormed()}\n`).join(""));
      const expected = texts.filter((text) => text !== "").map((text) => ({ text: text.toWellFormed() }));
      assert.deepEqual(linesOf(bytes, cuts), expected);
    }),
  );
});

test("how bytes are cut changes nothing of what is found in them, whatever they are", () => {
  const bytes = fc.array(fc.oneof({ weight: 9, arbitrary: fc.nat(255) }, fc.constant(10)), { maxLength: 400 });
  fc.assert(
    fc.property(bytes, lengths, (given, cuts) => {
      const whole = Uint8Array.from(given);
      assert.deepEqual(linesOf(whole, cuts).filter(isComplete), linesOf(whole, []).filter(isComplete));
    }),
  );
});

test("a line that is too long is told once, costs nothing else, and is not held", () => {
  fc.assert(
    fc.property(fc.integer({ min: LIMIT, max: 2_000 }), lengths, (length, cuts) => {
      const bytes = Buffer.from(`before\n${"x".repeat(length)}\nbehind\n`);
      const fault = `a line is longer than ${LIMIT} bytes`;
      assert.deepEqual(linesOf(bytes, cuts), [{ text: "before" }, { fault }, { text: "behind" }]);
    }),
  );
});

test("the longest line that is allowed arrives, its line feed counted in", () => {
  assert.deepEqual(linesOf(Buffer.from(`${"x".repeat(LIMIT - 1)}\n`), [10]), [{ text: "x".repeat(LIMIT - 1) }]);
});

test("bytes that are no UTF-8 cost their own line alone", () => {
  const bytes = Buffer.concat([Buffer.from("a\n"), Uint8Array.of(0xff, 0xc3, 10), Buffer.from("é\n")]);
  assert.deepEqual(linesOf(bytes, [3]), [{ text: "a" }, { fault: "a line is no UTF-8" }, { text: "é" }]);
});

test("what is cut off at the end of the stream is told", () => {
  assert.deepEqual(linesOf(Buffer.from("a\nhalf"), [3]), [
    { text: "a" },
    { fault: "the stream ended within a line, after 4 bytes of it" },
  ]);
});

/** How much had come of a line that was cut off depends on the cuts where it is too long. */
function isComplete(line: Line): boolean {
  return !("fault" in line && line.fault.startsWith("the stream ended"));
}
