/**
 * What an error of `import()` means for the one who wrote the file. Bun, Node and Deno tell the same mistakes in
 * different shapes; here they become one line with the position, and what to do. No stack traces.
 */
import { dirname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { elementsOf, isInstance, isObject, read, readText, shown, textOf } from "../../concurrency/unknown-values.ts";
import type { HandlerProblem } from "./handler-load-error.ts";
import { FileNameError } from "./import-file.ts";
import { adviceOnDecorators, adviceOnPaths } from "./typescript-settings.ts";

/** How much of one message is shown, in characters. */
const SHOWN = 500;
/** How much of a message and of a stack is read, in characters: they may quote a whole file. */
const READ = 10_000;

interface Told {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
}

/**
 * Puts the error of importing `file` into words.
 *
 * @param offered - the names that can be imported with nothing beside the file.
 */
export async function importProblem(file: string, error: unknown, offered: readonly string[]): Promise<HandlerProblem> {
  if (isInstance(error, FileNameError)) return { file, what: error.message, advice: error.advice };
  const told = tell(error);
  const missing = missingModule(told.message);
  if (missing !== null) {
    const { name, importer } = missing;
    if (name === file) return { file, what: "it is not there any more, or may not be read", advice: "check the file" };
    const who = importer === "" || importer === file || isOurs(importer) ? "it" : importer;
    const aliased = /^\.{0,2}\//.test(name) ? null : await adviceOnPaths(who === "it" ? file : who, name);
    const advice =
      aliased === null ? adviceOnMissing(name, offered) : `${aliased}; or ${adviceOnMissing(name, offered)}`;
    return { file, what: `${who} imports "${name}", which is not found`, advice };
  }
  if (/does not provide an export named|Export named .* not found/.test(told.message)) {
    const at = nodePosition(told.stack) || urlPosition(told.message);
    const message = withoutPlace(told.message);
    return {
      file,
      what: `a name it imports is not there${behind(at)}: ${message}`,
      advice: "check the import's names",
    };
  }
  const syntax = syntaxErrors(error, told, file);
  if (syntax !== null) {
    const advice = (await adviceOnDecorators(file)) ?? "fix the file; nothing of it was loaded";
    return { file, what: syntax, advice };
  }
  if (/^defineTask(?: of ".*")?: |^defineTask takes /.test(told.message)) return wrongDefinition(file, told);
  const at = positionIn(told.stack, file);
  const what = `it failed while it was imported${behind(at)}: ${label(told)}`;
  const advice = "make its top-level code succeed, or move that work into run";
  const decorators = told.name === "TypeError" ? await adviceOnDecorators(file) : null;
  return { file, what, advice: decorators === null ? advice : `${advice}; ${decorators}` };
}

function tell(error: unknown): Told {
  const [name, stack] = [readText(error, "name"), readText(error, "stack")];
  const without = isObject(error) ? name || "an error without a message" : shown(error);
  const message = readText(error, "message") || without;
  return { name, message: message.slice(0, READ), stack: stack.slice(0, READ) };
}

function label({ name, message }: Told): string {
  const [line = ""] = message.split("\n");
  const said = name === "" || name === "Error" ? line : `${name}: ${line}`;
  return said.length > SHOWN ? `${said.slice(0, SHOWN)}...` : said;
}

/** The module that was not found: Bun and Node say "Cannot find", Deno "not a dependency" or "Loading unprepared". */
function missingModule(message: string): { readonly name: string; readonly importer: string } | null {
  const match =
    /Cannot find (?:package|module) ['"]([^'"]+)['"]/.exec(message) ??
    /Import "([^"]+)" not a dependency/.exec(message) ??
    /Loading unprepared module: (\S+?),/.exec(message) ??
    /Module not found "([^"]+)"/.exec(message) ??
    /Unable to load (\S+) imported from/.exec(message);
  const name = match?.[1];
  if (name === undefined) return null;
  const importer = /imported from:? ['"]?([^'"\n]+)/.exec(message)?.[1] ?? "";
  return { name: plainPath(name), importer: plainPath(importer) };
}

/** The file of ours from which every handler file is imported. */
function isOurs(importer: string): boolean {
  return importer.startsWith("/$bunfs/") || dirname(importer) === import.meta.dirname;
}

function plainPath(place: string): string {
  return place.startsWith("file://") ? fileURLToPath(place) : place;
}

function behind(at: string): string {
  return at === "" ? "" : ` at ${at}`;
}

/** The first line, without the place that Deno puts at its end. */
function withoutPlace(message: string): string {
  return (message.split("\n")[0] ?? "").replace(/ at file:\/\/\S+$/, "");
}

function adviceOnMissing(name: string, names: readonly string[]): string {
  const offered = `${names.join(", ")} and the runtime's own node:* modules need nothing`;
  if (/^[./]/.test(name)) return `check the path, with its extension; of packages, ${offered}`;
  return `install it beside the file (npm install ${name}); ${offered}`;
}

/** What `defineTask` refused, and where it was called: in this file, or in one that this file imports. */
function wrongDefinition(file: string, { message, stack }: Told): HandlerProblem {
  const at = positionOfDefinition(stack) || positionIn(stack, file);
  const advice = / is missing$/.test(message)
    ? "add it to what defineTask is given there"
    : message.includes(": unknown key ")
      ? "write it as one of the known keys, or leave it out"
      : "change it in what defineTask is given there";
  return { file, what: `a task definition${behind(at)} is wrong: ${message}`, advice };
}

/** Syntax errors with their positions, or null when it is none. */
function syntaxErrors(error: unknown, told: Told, file: string): string | null {
  const build = buildMessages(error);
  if (build.length > 0) return build.map(({ at, message }) => `syntax error at ${at}: ${message}`).join("; ");
  // Deno wraps them: a TypeError whose message begins with "SyntaxError:" or says that the module does not parse.
  const wrapped = /^(?:Uncaught )?SyntaxError: ([^\n]+)/.exec(told.message);
  if (told.name !== "SyntaxError" && wrapped === null) return null;
  const message = withoutPlace(wrapped?.[1] ?? told.message);
  const at = urlPosition(told.message) || nodePosition(told.stack) || positionIn(told.stack, file);
  return `syntax error${behind(at)}: ${message}`;
}

/** Bun's BuildMessage, alone or many in an AggregateError: each has a message and a position. */
function buildMessages(error: unknown): { readonly at: string; readonly message: string }[] {
  const build = isObject(error) && elementsOf(read(error, "errors"), 5);
  if (build) return build.elements.flatMap(buildMessage);
  return buildMessage(error);
}

function buildMessage(error: unknown): { readonly at: string; readonly message: string }[] {
  const place = isObject(error) ? read(error, "position") : null;
  if (!isObject(place)) return [];
  const [file, line, column] = ["file", "line", "column"].map((key) => read(place, key));
  if (file === undefined || line === undefined || column === undefined) return [];
  const at = [file, line, column].map(textOf).join(":");
  return [{ at, message: readText(error, "message") || "does not parse" }];
}

/** Node writes `file:line` on the first line of the stack, and a caret below the column. */
function nodePosition(stack: string): string {
  const lines = stack.split("\n");
  const place = /^(\S.*):(\d+)$/.exec(lines[0] ?? "");
  if (place === null) return "";
  const [, path = "", line = ""] = place;
  const caret = lines.slice(1, 5).find((text) => /^\s*\^+\s*$/.test(text));
  const plain = plainPath(path);
  return caret === undefined ? `${plain}:${line}` : `${plain}:${line}:${caret.indexOf("^") + 1}`;
}

/** The frame that called `defineTask`, as `file:line:column`. */
function positionOfDefinition(stack: string): string {
  const frames = stack.split("\n");
  const own = frames.findIndex((frame) => /^\s*at defineTask \(/.test(frame));
  const caller = own < 0 ? "" : (frames[own + 1] ?? "");
  const [, path = "", place = ""] = /(?:\(|at )((?:file:\/\/)?\/.*?)(:\d+:\d+)\)?$/.exec(caller) ?? [];
  return path === "" ? "" : plainPath(path) + place;
}

/** The first `file:line:column` of that file in a text, which may write it as a path or as a URL. */
function positionIn(text: string, file: string): string {
  for (const written of [file, pathToFileURL(file).href]) {
    const at = text.indexOf(`${written}:`);
    const place = at < 0 ? null : /^:\d+:\d+/.exec(text.slice(at + written.length));
    if (place) return `${file}${place[0]}`;
  }
  return "";
}

/** The first `file URL:line:column` of a text, whichever file it is; Deno ends its messages so. */
function urlPosition(text: string): string {
  const [, url = "", place = ""] = /(file:\/\/[^\s:]{1,4096}(?::[^\s:]{0,255}){0,9}?)(:\d+:\d+)/.exec(text) ?? [];
  return url === "" ? "" : plainPath(url) + place;
}
