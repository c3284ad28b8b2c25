/**
 * Cuts a document (Markdown, HTML, plain text) into overlapping chunks, as a search index wants them: one JSON object
 * a line. Shows a long task that tells how far it is, can be cancelled at any moment, and leaves either the whole
 * result or nothing. The document is streamed: its size does not matter.
 *
 *   taskexe enqueue chunk_document '{"path": "README.md"}'
 */
import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { defineTask, sleep } from "taskexe";
import * as v from "valibot";
import { chunksOf } from "./_document/chunks.ts";
import { htmlPieces } from "./_document/html-to-text.ts";
import { type Page, pagesOf } from "./_document/pages.ts";
import { markdownPieces, plainPieces } from "./_document/pieces.ts";

const Count = v.pipe(v.number(), v.integer(), v.minValue(1));

const Payload = v.pipe(
  v.object({
    /** The document: .md, .markdown, .html, .htm, or anything else as plain text in UTF-8. Relative to the cwd. */
    path: v.pipe(v.string(), v.nonEmpty()),
    /** Where the chunks go; default: `path` + `.chunks.jsonl`. */
    out: v.optional(v.pipe(v.string(), v.nonEmpty())),
    max_chars: v.optional(v.pipe(Count, v.maxValue(100_000)), 1200),
    overlap: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 120),
    /**
     * Only these pages, from 1, both included. A page is a section, what stands between form feeds, or 4 000
     * characters.
     */
    from_page: v.optional(Count, 1),
    to_page: v.optional(Count, Number.MAX_SAFE_INTEGER),
    /** Only what stands under one of these headings, whatever their case. */
    headings: v.optional(v.array(v.string())),
    /** After how many pages progress is told. */
    pages_per_step: v.optional(Count, 12),
    /** A pause after each step, in ms: to go easy on a busy machine, or to watch. */
    pause_ms: v.optional(v.pipe(v.number(), v.minValue(0)), 0),
  }),
  v.forward(
    v.check(({ overlap, max_chars }) => overlap < max_chars, "overlap must be less than max_chars"),
    ["overlap"],
  ),
);

/** Longest page without a heading or a form feed, in characters. */
const PAGE_CHARS = { plain: 4_000, sections: 32_000 };

export default defineTask({
  type: "chunk_document",
  payload: Payload,
  attempts: 2,
  async run({ payload, task, signal, progress, log }) {
    const path = resolve(payload.path);
    const out = resolve(payload.out ?? `${path}.chunks.jsonl`);
    const info = await stat(path);
    if (!info.isFile()) throw new Error(`${path} is not a file`);

    const result = { chunks: 0, pages: 0, out };
    await writeWhole(out, task.id, async (file) => {
      const source = createReadStream(path, { encoding: "utf8" });
      for await (const step of steps(wanted(pages(path, source), payload), payload.pages_per_step)) {
        signal.throwIfAborted();
        const lines = step.flatMap((page) => records(payload.path, page, payload));
        await file.write(lines.join(""));
        result.chunks += lines.length;
        result.pages += step.length;
        const done = info.size === 0 ? 1 : source.bytesRead / info.size;
        await progress(
          Math.min(0.99, done),
          `Page(${step.at(0)?.number}~${step.at(-1)?.number}): ${lines.length} chunks`,
        );
        if (payload.pause_ms > 0) await sleep(payload.pause_ms, signal);
      }
      signal.throwIfAborted();
    });
    log.info("document chunked", result);
    return result;
  },
});

function pages(path: string, source: AsyncIterable<string>): AsyncGenerator<Page> {
  switch (extname(path).toLowerCase()) {
    case ".md":
    case ".markdown":
      return pagesOf(markdownPieces(source), PAGE_CHARS.sections);
    case ".html":
    case ".htm":
      return pagesOf(htmlPieces(source), PAGE_CHARS.sections);
    default:
      return pagesOf(plainPieces(source), PAGE_CHARS.plain);
  }
}

interface Range {
  readonly from_page: number;
  readonly to_page: number;
  readonly headings?: readonly string[] | undefined;
}

async function* wanted(all: AsyncIterable<Page>, { from_page, to_page, headings }: Range): AsyncGenerator<Page> {
  const names = headings?.map((name) => name.toLowerCase());
  for await (const page of all) {
    if (page.number > to_page) return;
    const under = names === undefined || page.path.some((title) => names.includes(title.toLowerCase()));
    if (page.number >= from_page && under) yield page;
  }
}

async function* steps(all: AsyncIterable<Page>, size: number): AsyncGenerator<Page[]> {
  let step: Page[] = [];
  for await (const page of all) {
    step.push(page);
    if (step.length < size) continue;
    yield step;
    step = [];
  }
  if (step.length > 0) yield step;
}

/** The chunks of one page as JSON lines. The id depends on the content alone: a second run gives the same ones. */
function records(source: string, page: Page, size: { readonly max_chars: number; readonly overlap: number }): string[] {
  return [...chunksOf(page.text, size.max_chars, size.overlap)].map((chunk) => {
    const [start, end] = [page.start + chunk.start, page.start + chunk.end];
    const id = createHash("sha256").update(`${source}\n${start}\n${chunk.text}`).digest("hex").slice(0, 32);
    return `${JSON.stringify({ id, source, page: page.number, path: page.path, text: chunk.text, start, end })}\n`;
  });
}

/**
 * Writes a file as a whole: into a temporary one beside it, renamed at the end, removed if anything fails or the task
 * is cancelled. What an earlier attempt of the same task left when its process was killed is removed first.
 */
async function writeWhole(out: string, id: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const mine = `.${basename(out)}.${createHash("sha256").update(id).digest("hex").slice(0, 16)}.`;
  for (const name of await readdir(dirname(out))) {
    if (name.startsWith(mine) && name.endsWith(".part")) await rm(join(dirname(out), name), { force: true });
  }
  const part = join(dirname(out), `${mine}${randomUUID()}.part`);
  const file = await open(part, "wx");
  try {
    await write(file).finally(() => file.close());
    await rename(part, out);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}
