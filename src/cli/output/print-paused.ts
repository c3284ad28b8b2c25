/** Tells that a queue or a type is paused, or goes on. */
import type { PauseJson } from "../../operations/views/pause-view.ts";
import type { Options } from "../arguments/flags.ts";
import { sayIfLost } from "./outlets.ts";
import { printJson, printLine } from "./print.ts";

export function printPaused(view: PauseJson, options: Options): void {
  const { kind, name, paused } = view;
  const sentence = `the ${kind} ${name} ${paused ? "is paused" : "goes on"}`;
  sayIfLost(sentence);
  if (options.json) printJson(view);
  else printLine(sentence);
}
