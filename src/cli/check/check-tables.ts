/** The tables of the configuration file that make handlers: whether what they name is there. Nothing is started. */
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { hasKeySources } from "../../broker/drivers.ts";
import type { ExecTable, HandlerTables, HttpTable, WorkerTable } from "../../config/tables/handler-tables.ts";
import { NEEDS_KEYS, type SourceTable } from "../../config/tables/source-tables.ts";
import { type Finding, fine, problem } from "./finding.ts";

/** Types that handler files have, too, are told with both places. */
export function checkTables(
  tables: HandlerTables,
  broker: string,
  sourceOf: (type: string) => string | undefined,
): Finding[] {
  const { workers, execs, https, sources } = tables;
  const found = [
    ...workers.map((table) => checkWorker(table)),
    ...execs.map((table) => checkExec(table)),
    ...https.map((table) => checkHttp(table)),
    ...sources.map((table) => checkSource(table, broker)),
  ];
  for (const { origin, type } of [...execs, ...https]) {
    const source = sourceOf(type);
    if (source === undefined || source === "built-in") continue;
    found.push(
      problem("tables", `${origin}: the type "${type}" is defined here and in ${source}`, "remove one of them"),
    );
  }
  return found;
}

function checkWorker({ origin, command, cwd, types }: WorkerTable): Finding {
  const wrong = wrongProgram(command[0] ?? "") ?? wrongFolder(cwd);
  if (wrong !== null) return problem("tables", `${origin}: ${wrong}`, "correct the path, or install it");
  return fine(
    "tables",
    `${origin}: ${command[0]}, types ${types === null ? "as it says when it starts" : types.join(",")}`,
  );
}

function checkSource(source: SourceTable, broker: string): Finding {
  const { origin, type, queue } = source;
  if (source.kind === "folder") {
    const wrong = wrongFolder(source.folder);
    if (wrong !== null) return problem("tables", `${origin}: ${wrong}`, "correct the path, or make the folder");
    return fine("tables", `${origin}: the folder ${source.folder}, ${type} in ${queue}`);
  }
  const { kind, key } = source;
  if (!hasKeySources(broker)) return problem("tables", `${origin}: ${NEEDS_KEYS}`, "name another broker, or remove it");
  return fine("tables", `${origin}: the ${kind} ${JSON.stringify(key)}, ${type} in ${queue}`);
}

function checkExec({ origin, command, cwd }: ExecTable): Finding {
  const wrong = wrongProgram(command[0] ?? "") ?? (cwd === null ? null : wrongFolder(cwd));
  if (wrong !== null) return problem("tables", `${origin}: ${wrong}`, "correct the path, or install it");
  return fine("tables", `${origin}: ${command[0]}`);
}

function checkHttp({ origin, secretFile, url }: HttpTable): Finding {
  if (secretFile !== null) {
    try {
      if (readFileSync(secretFile, "utf8").trim() === "") {
        return problem("tables", `${origin}: the file ${secretFile} holds no secret`, "write the secret into it");
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return problem("tables", `${origin}: the secret cannot be read: ${reason}`, "correct the path, or the rights");
    }
  }
  // A secret may stand in the path or the query.
  return fine("tables", `${origin}: ${new URL(url).host}`);
}

/** What is wrong with a program, by its path or its name; null: it could be started. */
function wrongProgram(program: string): string | null {
  if (program.includes("/")) return isExecutable(program) ? null : `there is no program ${program}`;
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  if (folders.some((folder) => isExecutable(join(folder, program)))) return null;
  return `there is no program ${program} in PATH`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // It is not there, or this user may not run it.
    return false;
  }
}

function wrongFolder(folder: string): string | null {
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() ? null : `there is no folder ${folder}`;
}
