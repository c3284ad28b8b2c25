/** Tells that a queue or a type is paused, or goes on. */
import type { PauseTarget } from "../../broker/administration.ts";
import type { Options } from "../arguments/flags.ts";
import { sayIfLost } from "./outlets.ts";
import { printJson, printLine } from "./print.ts";

export function printPaused(target: PauseTarget, paused: boolean, options: Options): void {
  const sentence = `the ${target.kind} ${target.name} ${paused ? "is paused" : "goes on"}`;
  sayIfLost(sentence);
  if (options.json) printJson({ ...target, paused });
  else printLine(sentence);
}
