/** The part of `taskexe --help` that is about the environment and the exit codes; made from the table of settings. */
import { SETTING_KEYS, SETTING_NAMES } from "../../config/sources.ts";

export const ENVIRONMENT_HELP: string = [
  "",
  "taskexe alone is taskexe run; its flags are in taskexe run --help.",
  "",
  "Settings come from flags, else the environment, else a TOML file (--config or TASKEXE_CONFIG), else the default:",
  ...SETTING_KEYS.map((key) => {
    const { flag, environment, file, fallback } = SETTING_NAMES[key];
    const byDefault = typeof fallback === "string" ? ` [${fallback}]` : "";
    return `  ${file.padEnd(18)} ${(flag ?? "").padEnd(14)} ${environment.join(", ")}${byDefault}`;
  }),
  "",
  "TASKEXE_TOKEN is the token of the API itself, in place of token_file. TASKEXE_DEBUG=1 logs debug lines and stacks.",
  "",
  "Exit codes: 0 fine, 1 failed, 2 called or configured wrongly, 129/130/143 ended by a signal.",
].join("\n");
