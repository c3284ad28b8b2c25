/**
 * The texts of all templates inside the executable, by their paths below templates/. Only the executable imports this
 * file: the attribute `type: "text"` is Bun's. A test holds the list against the folder.
 */

// @ts-expect-error -- a declaration is read as a text here
import valibot from "../../node_modules/valibot/dist/index.d.mts" with { type: "text" };
import pythonIgnore from "./templates/python/.gitignore.txt" with { type: "text" };
import pythonHandlers from "./templates/python/handlers.py.txt" with { type: "text" };
import pythonReadme from "./templates/python/README.md.txt" with { type: "text" };
import pythonSettings from "./templates/python/taskexe.toml.txt" with { type: "text" };
import pythonWorker from "./templates/python/taskexe_worker.py.txt" with { type: "text" };
import pythonTests from "./templates/python/test_handlers.py.txt" with { type: "text" };
import typescriptIgnore from "./templates/typescript/.gitignore.txt" with { type: "text" };
import typescriptPackage from "./templates/typescript/package.json.txt" with { type: "text" };
import typescriptReadme from "./templates/typescript/README.md.txt" with { type: "text" };
import typescriptSettings from "./templates/typescript/taskexe.toml.txt" with { type: "text" };
import typescriptTest from "./templates/typescript/tasks/greet.test.ts.txt" with { type: "text" };
import typescriptHandler from "./templates/typescript/tasks/greet.ts.txt" with { type: "text" };
import typescriptSetup from "./templates/typescript/tsconfig.json.txt" with { type: "text" };
import typescriptNodeTypes from "./templates/typescript/types/node.d.ts.txt" with { type: "text" };
import typescriptTypes from "./templates/typescript/types/taskexe.d.ts.txt" with { type: "text" };
import typescriptValibot from "./templates/typescript/types/valibot.d.ts.txt" with { type: "text" };

/** The types of valibot. */
export const VALIBOT_TYPES: string = valibot;

export const EMBEDDED: Readonly<Record<string, string>> = {
  "python/.gitignore.txt": pythonIgnore,
  "python/README.md.txt": pythonReadme,
  "python/handlers.py.txt": pythonHandlers,
  "python/taskexe.toml.txt": pythonSettings,
  "python/taskexe_worker.py.txt": pythonWorker,
  "python/test_handlers.py.txt": pythonTests,
  "typescript/.gitignore.txt": typescriptIgnore,
  "typescript/README.md.txt": typescriptReadme,
  "typescript/tasks/greet.ts.txt": typescriptHandler,
  "typescript/package.json.txt": typescriptPackage,
  "typescript/tasks/greet.test.ts.txt": typescriptTest,
  "typescript/tsconfig.json.txt": typescriptSetup,
  "typescript/types/node.d.ts.txt": typescriptNodeTypes,
  "typescript/types/taskexe.d.ts.txt": typescriptTypes,
  "typescript/types/valibot.d.ts.txt": typescriptValibot,
  "typescript/taskexe.toml.txt": typescriptSettings,
};
