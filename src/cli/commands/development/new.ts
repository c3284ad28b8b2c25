/** `taskexe new`: a folder with a handler that runs as it stands, to begin with. */
import { basename, resolve } from "node:path";
import type { Command } from "commander";
import { projectFiles } from "../../../new/template-files.ts";
import { TEMPLATES, type Template } from "../../../new/templates.ts";
import { valibotTypes } from "../../../new/valibot-types.ts";
import { NoPlaceError, writeProject } from "../../../new/write-project.ts";
import { VERSION } from "../../../version.ts";
import { type Options, optionOf } from "../../arguments/flags.ts";
import { printLine } from "../../output/print.ts";
import { CommandFailure, EXIT_FAILED, EXIT_USAGE, usageError } from "../../process/exit.ts";

/** What a project may be called: the name stands in its texts. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,99}$/u;

/** How it is called. */
export function define(command: Command): void {
  command
    .description("write a folder with a handler to begin with")
    .argument("<name>", "the folder, which must be new");
  for (const { flag, help } of TEMPLATES) if (flag !== null) command.option(flag, help);
  command.action(newProject);
}

async function newProject(given: string, options: Options): Promise<void> {
  const folder = resolve(given);
  const name = basename(folder);
  if (given === "" || !NAME.test(name)) {
    throw usageError(
      `a name has letters, digits, spaces, ".", "_" and "-", at most 100; got "${given && name}"`,
      "new",
    );
  }
  const template = wanted(options);
  const files = await projectFiles(template.name, { name, version: VERSION, valibotTypes: await valibotTypes() });
  try {
    await writeProject(folder, files);
  } catch (error) {
    if (error instanceof NoPlaceError) throw new CommandFailure(error.message, EXIT_USAGE);
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new CommandFailure(`${folder} cannot be written: ${error.message}`, EXIT_FAILED);
  }
  for (const path of files.keys()) printLine(`${given.replace(/\/+$/, "")}/${path}`);
  printLine("");
  printLine(`cd ${/^[\w./-]+$/.test(given) ? given : `"${given}"`}`);
  for (const line of template.next) printLine(line);
}

function wanted(options: Options): Template {
  const asked = TEMPLATES.filter(({ flag }) => flag !== null && options[optionOf(flag)] === true);
  if (asked.length > 1) {
    throw usageError(`${asked.map(({ flag }) => flag).join(" and ")} cannot be given together`, "new");
  }
  const template = asked[0] ?? TEMPLATES.find(({ flag }) => flag === null);
  if (template === undefined) throw new TypeError("no template is the default one");
  return template;
}
