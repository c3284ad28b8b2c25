/**
 * How to start this program again from its source: which options of the runtime go with it.
 */

/**
 * The options this runtime was started with, but those that only one process can have: a second one would fight over
 * the inspector's port, or watch the files as well.
 */
export function inheritedOptions(): string[] {
  return process.execArgv.filter((option) => !/^--(inspect|watch|hot)/.test(option));
}
