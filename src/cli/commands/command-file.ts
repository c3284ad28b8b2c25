/** What a file of a command is, and how files become commands of the program. */
import type { Command } from "commander";

/** What each file of a command exports. */
export interface CommandFile {
  /** Says how the command is called; the command hands its exit code to `exit`. */
  define(command: Command, exit: (code: number) => void): void | Promise<void>;
}

/** Commands by their names: the file of each is imported only where it is needed. */
export type CommandTable = Readonly<Record<string, () => Promise<CommandFile>>>;

/**
 * Adds the commands of these names to the program, or to the command that they are parts of.
 *
 * @param byDefault - the one that is meant where none is named.
 */
export async function addCommands(
  program: Command,
  table: CommandTable,
  exit: (code: number) => void,
  { names = Object.keys(table), byDefault }: { readonly names?: readonly string[]; readonly byDefault?: string } = {},
): Promise<void> {
  for (const name of names) {
    const file = await table[name]?.();
    await file?.define(program.command(name, { isDefault: name === byDefault }), exit);
  }
}
