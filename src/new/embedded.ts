/**
 * The texts of all templates inside the executable, by their paths below templates/. Only the executable imports this
 * file: the attribute `type: "text"` is Bun's. A test holds the list against the folder.
 */

import typescriptIgnore from "./templates/typescript/.gitignore.txt" with { type: "text" };
import typescriptReadme from "./templates/typescript/README.md.txt" with { type: "text" };
import typescriptSettings from "./templates/typescript/taskexe.toml.txt" with { type: "text" };
import typescriptHandler from "./templates/typescript/tasks/greet.ts.txt" with { type: "text" };

export const EMBEDDED: Readonly<Record<string, string>> = {
  "typescript/.gitignore.txt": typescriptIgnore,
  "typescript/README.md.txt": typescriptReadme,
  "typescript/tasks/greet.ts.txt": typescriptHandler,
  "typescript/taskexe.toml.txt": typescriptSettings,
};
