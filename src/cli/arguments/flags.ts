/**
 * The flags that are settings: how the command line describes them, and from what was typed to the configuration.
 * Values are taken as they were typed; the configuration's schema says whether they are right.
 */
import { type Command, InvalidArgumentError } from "commander";
import type { SettingKey } from "../../config/schema.ts";
import { type FlagValues, readSettings, type Settings } from "../../config/settings.ts";
import { SETTING_KEYS, SETTING_NAMES } from "../../config/sources.ts";
import { RUN_OPTION_ROWS } from "../../task/options/run-options.ts";

/** What the command line library hands to a command: option names without dashes, and what was typed. */
export type Options = Readonly<Record<string, unknown>>;

/** Which settings are flags of every command that talks to the broker; the other flags are those of an executor. */
const OF_BROKERS: readonly SettingKey[] = ["broker", "brokerFile"];

/** The flags of every command that talks to the broker. */
export function withBrokerFlags(command: Command): Command {
  return withSettings(command, OF_BROKERS).option(
    "--config <file>",
    "a TOML file with settings, or off (default: /etc/taskexe/taskexe.toml where there is one)",
  );
}

/** The flags of an executor. */
export function withExecutorFlags(command: Command): Command {
  const others = SETTING_KEYS.filter((key) => !OF_BROKERS.includes(key));
  return withSettings(withBrokerFlags(command), others);
}

function withSettings(command: Command, keys: readonly SettingKey[]): Command {
  for (const key of keys) {
    const { flag, takes, help = "" } = SETTING_NAMES[key];
    if (flag === null) continue;
    // Those two can be given more than once; of any other the last one counts.
    if (key === "queues") command.option(`${flag} ${takes}`, help, joined);
    else if (key === "tasks") command.option(`${flag} ${takes}`, help, gathered);
    else command.option(`${flag} ${takes}`, help);
  }
  return command;
}

/** The flags that say how a task is run, of every command that makes tasks. */
export function withRunFlags(command: Command): Command {
  for (const [, { flag, takes, help }] of RUN_OPTION_ROWS) command.option(`${flag} ${takes}`, help);
  return command
    .option("--unique [key]", "only where no other task holds the key (default: made of type and payload)")
    .option("--unique-for <duration>", "how long the key is held (default: until the task has ended)");
}

/**
 * The configuration with these options as its flags.
 *
 * @throws ConfigError as readSettings does.
 */
export function settingsOf(options: Options, environment = process.env): Settings {
  const flags: Partial<Record<SettingKey, string | readonly string[]>> = {};
  for (const key of SETTING_KEYS) {
    const given = options[optionOf(SETTING_NAMES[key].flag ?? "")];
    if (typeof given === "string" || Array.isArray(given)) flags[key] = given;
  }
  return readSettings(flags satisfies FlagValues, environment, { configFile: text(options.config) });
}

/** As the command line library calls a flag: `brokerFile`. */
export function optionOf(flag: string): string {
  return flag.slice(2).replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** An option's value where it is text. */
export function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function joined(value: string, before: string | undefined): string {
  return before === undefined ? value : `${before},${value}`;
}

function gathered(value: string, before: readonly string[] | undefined): readonly string[] {
  if (value === "") throw new InvalidArgumentError("A path is expected.");
  return [...(before ?? []), value];
}
