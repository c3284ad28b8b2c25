/**
 * Which jobs make up the whole of the tests, and in which order: by chance, always the same, but what takes long first.
 * What a test file says of itself stands in its head: `@alone` and the reason (it measures time or memory, which others
 * would take from it), or `@long` and about how long it takes.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import type { Job } from "./job.ts";

/** No test may lean on another: files, and tests within a file, run in this random order. */
const SEED = 1;

/** What must hold on every runtime. */
const EVERYWHERE = ["test/runtime", "test/concurrency", "test/handlers/http", "test/testing"];

/** `bun test` with what was asked for, in the order of the files. */
export function givenJob(given: readonly string[]): Job {
  return { name: "bun", label: "bun", arguments: ["test", ...given], isAlone: false, isLong: false };
}

export async function allJobs(root: string): Promise<Job[]> {
  const files = await readdir(join(root, "test"), { recursive: true });
  const tests = files.filter((file) => file.endsWith(".test.ts") && !file.includes("node_modules")).sort();
  const ofBun = await Promise.all(tests.map((file) => fileJob(root, `test/${file}`)));
  const shuffled = shuffle([...ofBun, ...otherRuntimes()], SEED);
  return [...shuffled.filter(({ isLong }) => isLong), ...shuffled.filter(({ isLong }) => !isLong)];
}

async function fileJob(root: string, file: string): Promise<Job> {
  const says = sayings(await readFile(join(root, file), "utf8"));
  return { name: "bun", label: file, arguments: ["test", `./${file}`, "--seed", String(SEED)], ...says };
}

/** What the comment says with which a test file opens. */
export function sayings(source: string): Pick<Job, "isAlone" | "isLong"> {
  const [head = ""] = source.split("\nimport ", 1);
  return { isAlone: /@alone \S/.test(head), isLong: /@long \S/.test(head) };
}

function otherRuntimes(): Job[] {
  const files = EVERYWHERE.map((folder) => `${folder}/**/*.test.ts`);
  const node = ["--test", "--test-reporter=tap", ...files];
  const deno = ["test", "--allow-all", "--no-check", "--quiet", ...EVERYWHERE];
  return [
    { name: "node", label: "node", arguments: node, isAlone: false, isLong: true },
    { name: "deno", label: "deno", arguments: deno, isAlone: false, isLong: true },
  ];
}

/** In an order that the seed alone decides (Fisher and Yates, with the generator mulberry32). */
export function shuffle<T>(items: readonly T[], seed: number): T[] {
  let state = seed;
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const pool = [...items];
  const shuffled: T[] = [];
  while (pool.length > 0) shuffled.push(...pool.splice(Math.floor(random() * pool.length), 1));
  return shuffled;
}
