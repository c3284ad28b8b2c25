/**
 * What a developer's folder holds beside handlers, told by names alone, and for names that may mean either by the text:
 * tests, declarations, components, settings of tools. Everything that is left out has a reason, which the log tells.
 */

/** The endings of files that some runtime imports. */
export const ENDINGS = ".ts, .mts, .cts, .tsx, .js, .mjs, .cjs or .jsx";

const HANDLER_FILE = /\.(?:[cm]?[jt]s|[jt]sx)$/;
const DECLARATION = /\.d\.(?:[^.]+\.)?[cm]?ts$/;
const TEST_FILE = /(?:\.(?:test|spec)|_test)\.[^.]+$/;
const TEST_FOLDER = /^(?:tests?|specs?)$/;
/** Components, and what tools read: a handler now and then, and then it says so. */
const EITHER = /\.[jt]sx$|\.(?:config|setup|stories|story|bench|e2e|fixture)\.[^.]+$/;

/** True where the name ends as the files do that can be imported. */
export function isHandlerName(name: string): boolean {
  return HANDLER_FILE.test(name);
}

/** Why a folder of that name holds no handlers; null: it may. */
export function folderLeftOut(name: string): string | null {
  if (name === "node_modules") return "it holds packages";
  if (TEST_FOLDER.test(name)) return "it holds tests";
  return hidden(name);
}

/** Why a file of that name, in a folder, is no handler file; null: it may be one. */
export function fileLeftOut(name: string): string | null {
  const isHidden = hidden(name);
  if (isHidden !== null) return isHidden;
  if (DECLARATION.test(name)) return "it only declares types";
  if (!isHandlerName(name)) return `its name does not end in ${ENDINGS}`;
  return TEST_FILE.test(name) ? "it is a test" : null;
}

/** True for names that mean handlers seldom: their text decides. */
export function textDecides(name: string): boolean {
  return EITHER.test(name);
}

/** Whether a file of such a name has a handler; the reason where it has none. */
export function textLeftOut(text: string): string | null {
  return text.includes("defineTask") ? null : "by its name it is no handler file, and it does not use defineTask";
}

function hidden(name: string): string | null {
  return /^[_.]/.test(name) ? `its name begins with ${name[0]}` : null;
}
