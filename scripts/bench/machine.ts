/** What the figures were measured on: without it no figure means anything. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, tmpdir, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { runtime } from "../../src/runtime/index.ts";
import { program } from "./ours/program.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Names and values, in the order in which they are shown. */
export function machine(): Record<string, string> {
  return {
    date: new Date().toISOString(),
    cpu: `${availableParallelism()} x ${cpus()[0]?.model ?? "unknown"}`,
    memory: `${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
    disk: `${tmpdir()} is ${told("df", ["--output=fstype", tmpdir()]).replace(/^Type\s+/, "")}`,
    kernel: `Linux ${release()}`,
    load_before: load(),
    runtime: `${runtime.name} ${runtime.version}`,
    redis: told("redis-server", ["--version"]).replace(/^Redis server v=(\S+).*$/s, "$1"),
    taskexe: `${told("git", ["-C", ROOT, "describe", "--always", "--dirty"])}, ${program().label}${age()}`,
    bullmq: version("bullmq"),
    bunqueue: version("bunqueue"),
    ioredis: version("ioredis"),
  };
}

/** What else ran here: neighbours take from all sides, and most from those that need both cores. */
function load(): string {
  const averages = loadavg();
  const busy = (averages[0] ?? 0) > 0.5 ? " (BUSY: run it again when nothing else runs)" : "";
  return `${averages.map((average) => average.toFixed(2)).join(" ")}${busy}`;
}

/** A build that lacks the newest changes measures something else than one thinks: say so. */
function age(): string {
  const { label, command } = program();
  if (label !== "compiled") return "";
  const built = statSync(command).mtime;
  const sources = readdirSync(`${ROOT}src`, { recursive: true, encoding: "utf8" });
  const newer = sources.some((path) => path.endsWith(".ts") && statSync(`${ROOT}src/${path}`).mtime > built);
  return ` at ${built.toISOString()}${newer ? ", OLDER THAN THE SOURCE: build it again" : ""}`;
}

function told(command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return "unknown";
  }
}

function version(name: string): string {
  const manifest: unknown = JSON.parse(readFileSync(`${ROOT}node_modules/${name}/package.json`, "utf8"));
  return typeof manifest === "object" && manifest !== null && "version" in manifest
    ? String(manifest.version)
    : "unknown";
}
