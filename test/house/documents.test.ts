/** The documents name only files and calls that are there, and all of the contract; their links lead to a heading. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";

import { ROOT } from "../stage/command.ts";
import { filesIn } from "./sources.ts";

const PATH = /(?<![\w./:-])(?:src|test|scripts|docs|examples|python)\/[\w./-]*\w/g;
const LINK = /(?<!!)\[[^\]]*\]\(([^)\s]+)\)/g;
const FENCE = /^```[^\n]*\n[\s\S]*?^```$/gm;

/** By their paths from the root: README and CHANGELOG, and all of docs/. */
const DOCUMENTS = new Map(
  ["README.md", "CHANGELOG.md", ...filesIn("docs").filter((file) => file.endsWith(".md"))].map((file) => [
    file,
    readFileSync(join(ROOT, file), "utf8"),
  ]),
);

function pathsIn(text: string): string[] {
  return [...text.matchAll(PATH)].map(([path]) => path);
}

/** The anchors of a document's headings, as GitHub makes them. */
function anchorsIn(text: string): string[] {
  const seen = new Map<string, number>();
  return [...text.replace(FENCE, "").matchAll(/^#{1,6} +(.+?) *$/gm)].map(([, heading = ""]) => {
    const words = heading.toLowerCase().replace(/[^\p{L}\p{N}\p{Pc} -]/gu, "");
    const anchor = words.replaceAll(" ", "-");
    const before = seen.get(anchor) ?? 0;
    seen.set(anchor, before + 1);
    return before === 0 ? anchor : `${anchor}-${before}`;
  });
}

/** Links of a document that lead nowhere, among documents by their paths. */
function brokenLinks(file: string, text: string, documents: ReadonlyMap<string, string>): string[] {
  const links = [...text.replace(FENCE, "").matchAll(LINK)].map(([, target = ""]) => target);
  return links
    .filter((target) => !/^[a-z][a-z0-9+.-]*:/i.test(target))
    .filter((target) => {
      const [path = "", anchor] = target.split("#");
      const other = path === "" ? file : normalize(join(dirname(file), path));
      if (!existsSync(join(ROOT, other))) return true;
      return anchor !== undefined && !anchorsIn(documents.get(other) ?? "").includes(anchor);
    });
}

test("every file and folder that a document names is there", () => {
  const gone = [...DOCUMENTS].flatMap(([file, text]) =>
    pathsIn(text)
      .filter((path) => !existsSync(join(ROOT, path)))
      .map((path) => `${file}: ${path}`),
  );
  assert.ok(pathsIn([...DOCUMENTS.values()].join()).length > 20, "documents name files");
  assert.deepEqual(gone, []);
});

test("every relative link of a document leads to a file, and to a heading of it", () => {
  const broken = [...DOCUMENTS].flatMap(([file, text]) =>
    brokenLinks(file, text, DOCUMENTS).map((target) => `${file}: ${target}`),
  );
  assert.deepEqual(broken, []);
});

test("every document of docs/ is linked from the README, or from a document that is", () => {
  const reached = new Set(["README.md"]);
  for (const file of reached) {
    for (const [, target = ""] of (DOCUMENTS.get(file) ?? "").matchAll(LINK)) {
      const other = normalize(join(dirname(file), target.split("#")[0] ?? ""));
      if (DOCUMENTS.has(other)) reached.add(other);
    }
  }
  const lonely = [...DOCUMENTS.keys()].filter((file) => file.startsWith("docs/") && !reached.has(file));
  assert.deepEqual(lonely, []);
});

test("the changelog begins with this version, and tells it under Added, Changed and Fixed", () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const headings = (DOCUMENTS.get("CHANGELOG.md") ?? "").match(/^##+ .+$/gm) ?? [];
  assert.match(headings[0] ?? "", new RegExp(`^## ${version.replaceAll(".", "\\.")}\\b`));
  for (const heading of headings) assert.match(heading, /^(?:## \d+\.\d+\.\d+\b.*|### (?:Added|Changed|Fixed))$/);
});

test("docs/broker-contract.md names every call of the contract", () => {
  const text = DOCUMENTS.get("docs/broker-contract.md") ?? "";
  const files = filesIn("src/broker/contract").map((file) => readFileSync(join(ROOT, file), "utf8"));
  const calls = files.flatMap((file) => [...file.matchAll(/^ {2}(\w+)\(/gm)].map(([, call]) => call));
  assert.ok(calls.length > 30);
  assert.deepEqual(
    calls.filter((call) => !text.includes(`\`${call}\``)),
    [],
  );
});

test("paths and links that are wrong are found", () => {
  const text =
    "`src/main.ts`, src/gone.ts. See https://example.com/docs/a.md, ./src/x and `test/cli/`, test/house/*.ts";
  assert.deepEqual(pathsIn(text), ["src/main.ts", "src/gone.ts", "test/cli", "test/house"]);
  const documents = new Map([["README.md", "# A heading: `x`, twice\n## Two\n## Two\n```\n# none\n```\n"]]);
  assert.deepEqual(anchorsIn(documents.get("README.md") ?? ""), ["a-heading-x-twice", "two", "two-1"]);
  const links = "[a](../README.md#two) [b](../README.md#none) [c](gone.md) [d](https://example.com) [e](#here)";
  assert.deepEqual(brokenLinks("docs/some.md", links, documents), ["../README.md#none", "gone.md", "#here"]);
});
