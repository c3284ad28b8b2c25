/**
 * Handler files -> registry: imports each file and takes every export that defineTask made. All problems of all files
 * are reported at once. Which files are meant is in handler-files.ts, what an import error says in import-problem.ts.
 */
import { getLogger } from "@logtape/logtape";
import { abortable, failAfter, openRoot, TooSlowError } from "../../concurrency/index.ts";
import { turn } from "../../concurrency/turn.ts";
import { isInstance } from "../../concurrency/unknown-values.ts";
import { builtinRegistry } from "../builtin.ts";
import type { TaskDefinition } from "../define-task.ts";
import { DuplicateHandlerError, type HandlerRegistry } from "../registry.ts";
import { type Exported, exportedDefinitions } from "./exported-definitions.ts";
import { findHandlerFiles } from "./handler-files.ts";
import { HandlerLoadError, type HandlerProblem } from "./handler-load-error.ts";
import { importFile } from "./import-file.ts";
import { importProblem } from "./import-problem.ts";
import { beginToNote } from "./loaded-modules.ts";
import type { OfferedModules } from "./offered-modules.ts";
import { legacyDecorators } from "./typescript-settings.ts";

export { HandlerLoadError, type HandlerProblem } from "./handler-load-error.ts";

const log = getLogger(["taskexe", "handlers"]);

/** How long the import of one file may take (its top-level awaits), in ms. */
const IMPORT_LIMIT_MS = 30_000;

/**
 * Loads handler files, and folders with all handler files below them, beside the built-in handlers.
 * No path at all gives the built-in handlers.
 *
 * @param offered - what the files may import by name, with nothing beside them.
 * @param importing - called with each file before it is imported, and with null once all are.
 * @throws HandlerLoadError when a path is missing, a file does not import or defines no task, or two files define
 *   the same type; it names every problem.
 */
export async function loadHandlers(
  paths: readonly string[],
  offered: OfferedModules,
  importing: (file: string | null) => void = () => {},
): Promise<HandlerRegistry> {
  const registry = builtinRegistry();
  if (paths.length === 0) return registry;
  await offered.offer();
  beginToNote();
  const { files, folders: roots, problems, leftOut } = await findHandlerFiles(paths);
  for (const { path, reason } of leftOut) log.debug("{path} is left out: {reason}", { path, reason });
  const all = [...problems];
  for (const file of files) {
    importing(file);
    const refused = await legacyDecorators(file, roots);
    all.push(...(refused === null ? await loadFile(file, registry, offered.names) : [refused]));
  }
  // A rejection that nobody handles is told a turn later: it is still the files'.
  await turn();
  importing(null);
  if (all.length > 0) throw new HandlerLoadError(all);
  return registry;
}

async function loadFile(
  file: string,
  registry: HandlerRegistry,
  offered: readonly string[],
): Promise<HandlerProblem[]> {
  let exports: Readonly<Record<string, unknown>>;
  let exported: Exported;
  try {
    exports = await failAfter(openRoot(), IMPORT_LIMIT_MS, ({ signal }) => abortable(importFile(file), signal));
    exported = exportedDefinitions(exports);
  } catch (error) {
    return [isInstance(error, TooSlowError) ? neverReady(file) : await importProblem(file, error, offered)];
  }
  const { definitions, bare } = exported;
  if (bare[0] !== undefined) return [notDefined(file, bare[0])];
  if (definitions.length === 0) return [nothingDefined(file, exports)];
  return definitions.flatMap((definition) => register(definition, file, registry));
}

function neverReady(file: string): HandlerProblem {
  const what = `its import did not end within ${IMPORT_LIMIT_MS / 1000} s: a top-level await waits`;
  return { file, what, advice: "move that work into run" };
}

function register(definition: TaskDefinition, file: string, registry: HandlerRegistry): HandlerProblem[] {
  try {
    registry.add(definition, file);
    return [];
  } catch (error) {
    if (!(error instanceof DuplicateHandlerError)) throw error;
    const other = registry.sourceOf(definition.type);
    const where = other === file ? "twice in this file" : `here and in ${other}`;
    return [
      { file, what: `the type "${definition.type}" is defined ${where}`, advice: "rename or remove one of them" },
    ];
  }
}

function notDefined(file: string, at: string): HandlerProblem {
  const what = `its export "${at}" has a run function but does not come from defineTask`;
  return { file, what, advice: 'wrap it: export default defineTask({ ... }), from "taskexe"' };
}

function nothingDefined(file: string, exports: Readonly<Record<string, unknown>>): HandlerProblem {
  const names = Object.keys(exports).slice(0, 10).join(", ");
  const what = `it exports no task definition${names === "" ? "" : `, only ${names}`}`;
  const advice = "export default defineTask({ type, run }); or begin the file's name with _ when it only helps others";
  return { file, what, advice };
}
