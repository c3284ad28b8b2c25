/**
 * Builds what the page at /ui hands to browsers: `bun scripts/page.ts [OUTFILE]`, by default dist/page.txt. One script
 * and one style sheet, named after their content, as they are and compressed, in one JSON text. The executable embeds
 * it, the npm package carries it, and from source it is read from dist. Everything comes from src/http/page and from
 * hono and uPlot; nothing is fetched.
 */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { transformSync } from "esbuild";

const ROOT = resolve(import.meta.dirname, "..");
const PAGE = join(ROOT, "src/http/page");
const UPLOT = join(ROOT, "node_modules/uplot/dist");
/** What all of it may have as browsers get it without compression, in bytes: 150 KB. */
const MOST_BYTES = 150_000;

/** In the place of hono/jsx/utils. */
const PLAIN_NAMES =
  "export const normalizeIntrinsicElementKey = (key) => key; export const styleObjectForEach = () => {}; " +
  "export const [isValidAttributeName, isValidTagName] = [];";

interface BuiltAsset {
  readonly name: string;
  readonly type: string;
  readonly text: string;
  /** In base64. */
  readonly br: string;
  readonly gzip: string;
}

const outfile = resolve(process.argv[2] ?? join(ROOT, "dist/page.txt"));
const script = asset("page", "js", "text/javascript; charset=UTF-8", await scriptText());
const style = asset("page", "css", "text/css; charset=UTF-8", styleText());
const bytes = Buffer.byteLength(script.text) + Buffer.byteLength(style.text);
if (bytes > MOST_BYTES) {
  process.stderr.write(`page: the assets have ${bytes} bytes, and may have ${MOST_BYTES}\n`);
  process.exitCode = 1;
} else {
  place(JSON.stringify({ script: script.name, style: style.name, assets: [script, style] }));
  const packed = [script, style].reduce((sum, { br }) => sum + Buffer.from(br, "base64").length, 0);
  process.stdout.write(`${outfile} (${kilobytes(bytes)}, ${kilobytes(packed)} compressed)\n`);
}

/** The islands, with hono/jsx/dom in the place of hono/jsx, by which the server renders the same views. */
async function scriptText(): Promise<string> {
  const dom = Bun.resolveSync("hono/jsx/dom", ROOT);
  const built = await Bun.build({
    entrypoints: [join(PAGE, "client/main.ts")],
    target: "browser",
    format: "esm",
    minify: true,
    plugins: [
      {
        name: "views in the browser",
        setup(build) {
          build.onResolve({ filter: /^hono\/jsx$/ }, () => ({ path: dom }));
          build.onLoad({ filter: /uplot\/dist\/uPlot\.esm\.js$/ }, () => ({ contents: chartText(), loader: "js" }));
          // Forms with functions as their actions, and parts of the head in the midst of a page: no view has them.
          const spare = /hono\/dist\/jsx\/dom\/intrinsic-element\/components\.js$/;
          build.onLoad({ filter: spare }, () => ({ contents: "export const components_exports = {};", loader: "js" }));
          // Styles in elements, which the policy forbids, and names of attributes as React has them: no view has them.
          build.onLoad({ filter: /hono\/dist\/jsx\/utils\.js$/ }, () => ({ contents: PLAIN_NAMES, loader: "js" }));
        },
      },
    ],
  });
  const [output, ...more] = built.outputs;
  if (!built.success || output === undefined || more.length > 0) throw new Error(`page: ${built.logs.join("\n")}`);
  // Bun bundles; this takes some kilobytes more out of it.
  return transformSync(await output.text(), { minify: true, format: "esm", charset: "utf8" }).code;
}

/** uPlot without what it hands out at its end for other kinds of charts, so that bars and splines are left out. */
function chartText(): string {
  const text = readFileSync(join(UPLOT, "uPlot.esm.js"), "utf8");
  const end = text.indexOf("\nuPlot.assign = assign;");
  if (end < 0) throw new Error("page: uPlot.esm.js does not end as it did: look at what may be left out of it");
  return `${text.slice(0, end)}\nexport { uPlot as default };`;
}

/** All style sheets in the order of their names, those of uPlot first, without comments and needless space. */
function styleText(): string {
  const folder = join(PAGE, "style");
  const ours = readdirSync(folder).filter((name) => name.endsWith(".css"));
  const theirs = readFileSync(join(UPLOT, "uPlot.min.css"), "utf8");
  // Titles, and the choice of a part: no chart has them.
  const plots = theirs.replace(/\.u-(?:title|select) \{[^}]*\}/g, "");
  const text = [plots, ...ours.sort().map((name) => readFileSync(join(folder, name), "utf8"))].join("\n");
  return text
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/\s*\n\s*/g, "")
    .replace(/ \{/g, "{")
    .replace(/: (?=[^;{}]*[;}])/g, ":")
    .replace(/;\}/g, "}");
}

function asset(name: string, ending: string, type: string, text: string): BuiltAsset {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
  return {
    ...{ name: `${name}.${hash}.${ending}`, type, text },
    br: brotliCompressSync(text).toString("base64"),
    gzip: gzipSync(text, { level: 9 }).toString("base64"),
  };
}

/** Whole, by a rename: several may build at once. */
function place(text: string): void {
  mkdirSync(dirname(outfile), { recursive: true });
  const aside = mkdtempSync(join(dirname(outfile), ".page-"));
  try {
    writeFileSync(join(aside, basename(outfile)), text);
    renameSync(join(aside, basename(outfile)), outfile);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

function kilobytes(count: number): string {
  return `${(count / 1000).toFixed(1)} KB`;
}
