/**
 * The kinds of project that `taskexe new` writes. A kind is a row here, a folder below templates/ of the same name, and
 * a line for each of its files in embedded.ts.
 */

export interface Template {
  /** Its folder below templates/. */
  readonly name: string;
  /** The flag that asks for it, with its dashes; null: the kind that is meant where none is named. */
  readonly flag: string | null;
  /** For the help of its flag. */
  readonly help: string;
  /** What to type next, in the folder of the project. */
  readonly next: readonly string[];
}

export const TEMPLATES: readonly Template[] = [
  {
    name: "typescript",
    flag: null,
    help: "a handler in TypeScript",
    next: [
      "taskexe check --config taskexe.toml",
      "taskexe dev",
      `taskexe enqueue --config taskexe.toml greet '{"name":"Ada"}' --wait     (in a second terminal)`,
    ],
  },
  {
    name: "python",
    flag: "--python",
    help: "handlers in Python, with a test",
    next: [
      "python3 -m unittest",
      "taskexe dev",
      `taskexe enqueue --config taskexe.toml word_count '{"path":"README.md"}' --wait     (in a second terminal)`,
    ],
  },
];
