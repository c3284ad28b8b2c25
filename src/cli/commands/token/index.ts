/** `taskexe token ...`: tokens of the HTTP API with a role, for the tokens file. */
import type { Command } from "commander";
import { addCommands } from "../command-file.ts";

/** How they are called. */
export async function define(token: Command, exit: (code: number) => void): Promise<void> {
  token.description("tokens of the HTTP API: new");
  await addCommands(token, { new: () => import("./new.ts") }, exit);
}
