/** What is wrong with handler files, all of it at once, in words that need no stack trace. */

export interface HandlerProblem {
  /** The file or folder, as an absolute path. */
  readonly file: string;
  /** What is wrong, with the position where there is one. */
  readonly what: string;
  /** What to do about it. */
  readonly advice: string;
}

/** Thrown by loadHandlers; the message lists every problem and can be shown to users as it is. */
export class HandlerLoadError extends Error {
  override readonly name = "HandlerLoadError";
  readonly problems: readonly HandlerProblem[];

  constructor(problems: readonly HandlerProblem[]) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    const lines = problems.map(
      ({ file, what, advice }) => `  ${inOneLine(file)}: ${inOneLine(what)}\n    -> ${inOneLine(advice)}`,
    );
    super(`the handlers cannot be loaded, ${count}:\n${lines.join("\n")}`);
    this.problems = problems;
  }
}

/** A file's name may hold a line break, and what it threw, too. */
function inOneLine(text: string): string {
  return text.replace(/[\r\n]+/g, (breaks) => JSON.stringify(breaks).slice(1, -1));
}
