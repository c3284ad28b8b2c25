import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import chunkDocument from "../../examples/chunk-document.ts";
import { Cancelled, openRoot } from "../../src/concurrency/index.ts";
import { type RunOptions, runTask } from "../handlers/context.ts";

interface Row {
  id: string;
  source: string;
  page: number;
  path: string[];
  text: string;
  start: number;
  end: number;
}

const project = fileURLToPath(new URL("../..", import.meta.url));
let folder = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "taskexe-chunks-"));
});
after(() => rm(folder, { recursive: true, force: true }));

/** Chunks a document and gives the rows of its output, which is removed. */
async function chunk(payload: Readonly<Record<string, unknown>>, options?: RunOptions): Promise<Row[]> {
  const out = join(folder, "out.jsonl");
  const result = await runTask(chunkDocument, { out, ...payload }, options);
  const rows = (await readFile(out, "utf8"))
    .split("\n")
    .slice(0, -1)
    .map((line): Row => JSON.parse(line));
  await rm(out);
  assert.deepEqual(await parts(), [], "a temporary file is left");
  assert.equal((result as { chunks: number }).chunks, rows.length);
  assert.equal((result as { out: string }).out, out);
  return rows;
}

async function document(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

const parts = async () => (await readdir(folder)).filter((name) => name.endsWith(".part"));

/** A Markdown document of `sections` sections, long enough for many chunks. */
const longMarkdown = (sections: number) =>
  Array.from(
    { length: sections },
    (_, i) => `# Section ${i}\n\n${`Sentence number ${i} says something. `.repeat(60)}\n\nEnd of ${i}.\n`,
  ).join("\n");

describe("chunk_document", () => {
  test("cuts a real source file so that each chunk is what stands at its place, and nothing is left out", async () => {
    const path = join(project, "src/handlers/define-task.ts");
    const source = await readFile(path, "utf8");
    const rows = await chunk({ path, max_chars: 400, overlap: 40 });
    assert.ok(rows.length > 5);
    let covered = 0;
    for (const { text, start, end } of rows) {
      assert.equal(source.slice(start, end), text);
      assert.ok(text.length <= 400);
      assert.equal(source.slice(covered, Math.max(covered, start)).trim(), "", `a gap before ${start}`);
      covered = end;
    }
    assert.equal(source.slice(covered).trim(), "");
    assert.equal(new Set(rows.map(({ id }) => id)).size, rows.length);
  });

  test("gives the same ids when it runs again", async () => {
    const path = join(project, "package.json");
    const ids = async () => (await chunk({ path, max_chars: 300, overlap: 0 })).map(({ id }) => id);
    assert.deepEqual(await ids(), await ids());
  });

  test("lets neighbours overlap by what was asked for and no more", async () => {
    const path = await document("plain.txt", "word ".repeat(2000));
    const rows = await chunk({ path, max_chars: 500, overlap: 100 });
    const overlaps = rows.slice(1).map(({ start, page }, i) => {
      const before = rows[i];
      return before?.page === page ? before.end - start : null;
    });
    for (const overlap of overlaps) if (overlap !== null) assert.ok(overlap > 80 && overlap <= 100, String(overlap));
    assert.ok(overlaps.some((overlap) => overlap !== null));
  });

  test("tells the headings that each part of a Markdown document stands under", async () => {
    const text = "intro\n\n# A\none\n## B ##\ntwo\n```\n# no heading\n```\n### C\nthree\n## D\nfour\n# E\nfive\n";
    const rows = await chunk({ path: await document("a.md", text) });
    assert.deepEqual(
      rows.map(({ page, path, text: own }) => [page, path.join("/"), own.split("\n").at(-1)]),
      [
        [1, "", "intro"],
        [2, "A", "one"],
        [3, "A/B", "```"],
        [4, "A/B/C", "three"],
        [5, "A/D", "four"],
        [6, "E", "five"],
      ],
    );
    for (const { start, end, text: own } of rows) assert.equal(text.slice(start, end), own);
  });

  test("takes the pages or the headings that are asked for", async () => {
    const path = await document("range.md", longMarkdown(10));
    const pages = async (payload: object) => [...new Set((await chunk({ path, ...payload })).map(({ page }) => page))];
    assert.deepEqual(await pages({ from_page: 3, to_page: 5 }), [3, 4, 5]);
    assert.deepEqual(await pages({ headings: ["section 2", "Section 7"] }), [3, 8]);
    assert.deepEqual(await pages({ from_page: 9 }), [9, 10]);
  });

  test("takes form feeds for the ends of pages", async () => {
    const rows = await chunk({ path: await document("ff.txt", "first\fsecond\f\f third") });
    assert.deepEqual(
      rows.map(({ page, text }) => [page, text]),
      [
        [1, "first"],
        [2, "second"],
        [3, "third"],
      ],
    );
  });

  test("reads HTML as text under its headings, without scripts and markup", async () => {
    const html = `<!doctype html><html><head><title>no</title><style>p > a { }</style></head><body>
      <!-- <p>no</p> --><h1>Tea &amp; <em>Coffee</em></h1><p>Hot   drinks &#8212; <a href="a>b">both</a>.</p>
      <script>if (1 < 2) document.write("<p>no</p>");</script><ul><li>green<li>black</ul>
      <pre>a\n  b</pre><h2>Milk</h2>1 < 2 &unknown; ok</body></html>`;
    const rows = await chunk({ path: await document("a.html", html) });
    assert.deepEqual(
      rows.map(({ path, text }) => [path, text]),
      [
        [["Tea & Coffee"], "Tea & Coffee\n\nHot drinks — both.\n\ngreen\nblack\n\na\n  b"],
        [["Tea & Coffee", "Milk"], "Milk\n\n1 < 2 &unknown; ok"],
      ],
    );
  });

  test("tells how far it is, page by page, and never goes back", async () => {
    const told: [number, string | undefined][] = [];
    await chunk(
      { path: await document("far.md", longMarkdown(200)), pages_per_step: 12 },
      { onProgress: (value, message) => void told.push([value, message]) },
    );
    assert.equal(told.length, 17);
    assert.match(told[0]?.[1] ?? "", /^Page\(1~12\): \d+ chunks$/);
    assert.match(told.at(-1)?.[1] ?? "", /^Page\(193~200\): /);
    const values = told.map(([value]) => value);
    assert.deepEqual(values, values.toSorted());
    assert.ok(values.every((value) => value > 0 && value < 1));
  });

  test("leaves no file behind when it is cancelled in the middle", async () => {
    const path = await document("cancel.md", longMarkdown(300));
    const out = join(folder, "cancelled.jsonl");
    const scope = openRoot();
    let steps = 0;
    const onProgress = async () => {
      if (++steps === 3) {
        assert.equal((await parts()).length, 1, "nothing was being written");
        scope.cancel("enough");
      }
    };
    await assert.rejects(runTask(chunkDocument, { path, out }, { scope, onProgress }), (e) => e instanceof Cancelled);
    assert.equal(steps, 3);
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.includes("cancelled")),
      [],
    );
  });

  test("keeps the file of an earlier run when it is cancelled, and clears what a killed attempt left", async () => {
    const path = await document("twice.md", longMarkdown(50));
    const out = join(folder, "twice.jsonl");
    await runTask(chunkDocument, { path, out });
    const first = await readFile(out, "utf8");
    const scope = openRoot();
    await assert.rejects(
      runTask(chunkDocument, { path, out, max_chars: 300 }, { scope, onProgress: () => scope.cancel() }),
    );
    assert.equal(await readFile(out, "utf8"), first);

    const scopeOfKilled = openRoot();
    let left = "";
    const keep = async () => {
      left = (await parts())[0] ?? "";
      scopeOfKilled.cancel();
    };
    await assert.rejects(runTask(chunkDocument, { path, out }, { scope: scopeOfKilled, onProgress: keep }));
    await writeFile(join(folder, left), "half");
    await runTask(chunkDocument, { path, out });
    assert.deepEqual(await parts(), []);
    await rm(out);
  });

  test("streams a document of many megabytes", { timeout: 60_000 }, async () => {
    const path = await document("big.txt", `${"All work and no play. ".repeat(40)}\n`.repeat(10_000));
    const rows = await chunk({ path, max_chars: 2000 });
    assert.ok(rows.length > 4_000);
    assert.ok((rows.at(-1)?.end ?? 0) > 8_000_000);
  });

  for (const [payload, message] of [
    [{ path: "no/such/file.md" }, /ENOENT/],
    [{ path: "src" }, /is not a file/],
    [{ path: "" }, /./],
    [{ path: "a.md", max_chars: 100, overlap: 100 }, /overlap must be less/],
    [{ path: "a.md", from_page: 0 }, /./],
  ] as const) {
    test(`refuses ${JSON.stringify(payload)}`, async () => {
      await assert.rejects(runTask(chunkDocument, payload), (error) => {
        const inner = error instanceof AggregateError ? error.errors[0] : error;
        return message.test(String(inner));
      });
    });
  }
});
