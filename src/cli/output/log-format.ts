/**
 * How a log record looks: one line for people (coloured or not), or one JSON document a line for machines.
 * Either way addresses lose their passwords, and properties whose names promise a secret lose their values. Anything
 * may stand among the properties, handlers log what they like: a line is written in any case, and long texts are cut
 * first.
 */
import type { LogRecord, TextFormatter } from "@logtape/logtape";
import { flattenErrors } from "../../concurrency/index.ts";
import { errorsIn, isError, isObject, messageOf, readText, textOf } from "../../concurrency/unknown-values.ts";
import { cutSafely, redact } from "../../config/redact.ts";
import { MAX_SHOWN_LINE, MAX_SHOWN_TEXT } from "../../runtime/cut-text.ts";
import { printable } from "../../task/text/printable.ts";

const SECRET_NAME = /pass(word|wd)?$|secret|token|api_?key|authorization/i;
const LEVELS = {
  trace: { tag: "TRC", colour: "\x1b[2m" },
  debug: { tag: "DBG", colour: "\x1b[2m" },
  info: { tag: "INF", colour: "\x1b[32m" },
  warning: { tag: "WRN", colour: "\x1b[33m" },
  error: { tag: "ERR", colour: "\x1b[31m" },
  fatal: { tag: "FTL", colour: "\x1b[35m" },
} as const;
const RESET = "\x1b[0m";
/** Of a group, so many are shown. */
const MOST_ERRORS = 20;
/** Of the name of a property, so much is shown. */
const LONGEST_NAME = 200;

/**
 * `12:03:11.123 INF executor: message key=value`. Properties that the message does not quote stand behind it. The time
 * is left out where `time` is false.
 */
export function prettyFormat(options: {
  readonly colours: boolean;
  readonly stacks: boolean;
  readonly time?: boolean;
}): TextFormatter {
  const paint = (colour: string, text: string) => (options.colours ? `${colour}${text}${RESET}` : text);
  return (record) => {
    const { tag, colour } = LEVELS[record.level];
    const time = paint("\x1b[2m", new Date(record.timestamp).toISOString().slice(11, 23));
    const head = `${options.time === false ? "" : `${time} `}${paint(colour, tag)}`;
    const part = record.category.slice(1).join(".");
    const stack = options.stacks ? printable(redact(stacksOf(record), MAX_SHOWN_LINE), "lines") : "";
    const message = printable(redact(`${messageIn(record)}${restOf(record)}`, MAX_SHOWN_LINE));
    return `${head} ${part === "" ? "" : `${part}: `}${message}${stack}\n`;
  };
}

/** `{"time","level","logger","message",...properties}`; errors as `{"name","message"}`. */
export function jsonFormat(options: { readonly stacks: boolean }): TextFormatter {
  return (record) => {
    const head = {
      time: new Date(record.timestamp).toISOString(),
      level: record.level === "warning" ? "warn" : record.level,
      logger: record.category.join("."),
      message: redact(messageIn(record), MAX_SHOWN_LINE),
    };
    // What a handler logs stands there as it named it; names of ours are as in all JSON.
    const nameOf = record.category[1] === "task" ? (key: string) => key : snakeCase;
    const fields = Object.entries(propertiesIn(record))
      .map(([key, value]) => [nameOf(cutSafely(key, LONGEST_NAME)), value] as const)
      .filter(([key]) => !(key in head))
      .map(([key, value]) => [JSON.stringify(key), asJson(key, value, options.stacks)] as const)
      .filter(([, json]) => json !== undefined)
      .map(([key, json]) => `,${key}:${json}`);
    return `${printable(`${JSON.stringify(head).slice(0, -1)}${fields.join("")}}`)}\n`;
  };
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/**
 * Undefined for what JSON has no word for. What cannot be written is said to be there: a cycle, a getter that throws.
 */
function asJson(key: string, value: unknown, stacks: boolean): string | undefined {
  try {
    const json = JSON.stringify(plain(key, value, stacks), (inner, part) => plain(inner, part, stacks));
    return json === undefined || json.length <= MAX_SHOWN_LINE ? json : JSON.stringify(cutSafely(json, MAX_SHOWN_LINE));
  } catch {
    return JSON.stringify(UNWRITABLE);
  }
}

const UNWRITABLE = "(a value that cannot be written as JSON)";

/** What stands beside the message; nothing where the log cannot read it: it makes it only now, too. */
function propertiesIn(record: LogRecord): Readonly<Record<string, unknown>> {
  try {
    return record.properties;
  } catch {
    return {};
  }
}

function messageIn(record: LogRecord): string {
  let parts: readonly unknown[];
  try {
    // The log makes it only now, and looks into the properties for a name with a dot in it.
    parts = record.message;
  } catch {
    parts = [typeof record.rawMessage === "string" ? record.rawMessage : ""];
  }
  return parts.map((part, index) => cutSafely(index % 2 === 0 ? textOf(part) : show(part), MAX_SHOWN_TEXT)).join("");
}

function restOf(record: LogRecord): string {
  const raw = typeof record.rawMessage === "string" ? record.rawMessage : "";
  return Object.entries(propertiesIn(record))
    .filter(([key]) => !raw.includes(`{${key}}`))
    .map(
      ([key, value]) =>
        ` ${cutSafely(key, LONGEST_NAME)}=${SECRET_NAME.test(key) ? "***" : cutSafely(show(value), MAX_SHOWN_TEXT)}`,
    )
    .join("");
}

function show(value: unknown): string {
  if (typeof value === "string") return value;
  if (errorsIn(value).length > 0) return flattenErrors(value).slice(0, MOST_ERRORS).map(showError).join(" -- ");
  if (isError(value)) return showError(value);
  // Not as a text of the value's own making: that would show what its names promise to be secret.
  return asJson("", value, false) ?? (isObject(value) ? UNWRITABLE : textOf(value));
}

function showError(value: unknown): string {
  if (!isError(value)) return isObject(value) ? UNWRITABLE : textOf(value);
  const [name, message] = [readText(value, "name"), messageOf(value)];
  return name === "Error" || name === "" ? message : `${name}: ${message}`;
}

function plain(key: string, value: unknown, stacks: boolean): unknown {
  if (SECRET_NAME.test(key) && value !== null && value !== undefined) return "***";
  if (typeof value === "bigint") return String(value);
  if (typeof value === "string") return redact(value, MAX_SHOWN_TEXT);
  if (!isError(value)) return value;
  if (errorsIn(value).length === 0) return errorFields(value, stacks);
  // Flat, and each by its fields: a group may hold itself.
  const errors = flattenErrors(value).slice(0, MOST_ERRORS);
  return { ...errorFields(value, stacks), errors: errors.map((error) => errorFields(error, stacks)) };
}

function errorFields(error: unknown, stacks: boolean): object {
  if (!isError(error)) return { name: "NonError", message: redact(showError(error), MAX_SHOWN_TEXT) };
  const fields = { name: readText(error, "name"), message: redact(readText(error, "message"), MAX_SHOWN_TEXT) };
  return stacks ? { ...fields, stack: redact(readText(error, "stack"), MAX_SHOWN_TEXT) } : fields;
}

function stacksOf(record: LogRecord): string {
  return Object.values(propertiesIn(record))
    .filter(isError)
    .map((error) => `\n${readText(error, "stack")}`)
    .join("");
}
