/**
 * How a log record looks: one line for people (coloured or not), or one JSON document a line for machines.
 * Either way addresses lose their passwords, and properties whose names promise a secret lose their values.
 */
import type { LogRecord, TextFormatter } from "@logtape/logtape";
import { redact } from "../config/redact.ts";
import { printable, printableJson } from "./printable.ts";

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

/** `12:03:11.123 INF executor: message key=value`. Properties that the message does not quote stand behind it. */
export function prettyFormat(options: { readonly colours: boolean; readonly stacks: boolean }): TextFormatter {
  const paint = (colour: string, text: string) => (options.colours ? `${colour}${text}${RESET}` : text);
  return (record) => {
    const { tag, colour } = LEVELS[record.level];
    const time = new Date(record.timestamp).toISOString().slice(11, 23);
    const part = record.category.slice(1).join(".");
    const stack = options.stacks ? printable(redact(stacksOf(record)), "lines") : "";
    const message = printable(redact(`${messageOf(record)}${restOf(record)}`));
    return `${paint("\x1b[2m", time)} ${paint(colour, tag)} ${part === "" ? "" : `${part}: `}${message}${stack}\n`;
  };
}

/** `{"time","level","logger","message",...properties}`; errors as `{"name","message"}`. */
export function jsonFormat(options: { readonly stacks: boolean }): TextFormatter {
  return (record) => {
    const head = {
      time: new Date(record.timestamp).toISOString(),
      level: record.level === "warning" ? "warn" : record.level,
      logger: record.category.join("."),
      message: redact(messageOf(record)),
    };
    const replace = (key: string, value: unknown) => plain(key, value, options.stacks);
    const properties = Object.fromEntries(Object.entries(record.properties).filter(([key]) => !(key in head)));
    try {
      return `${printable(JSON.stringify({ ...head, ...properties }, replace))}\n`;
    } catch {
      // A cycle somewhere: the line is worth more than its properties.
      return `${printableJson(head)}\n`;
    }
  };
}

function messageOf(record: LogRecord): string {
  return record.message.map((part, index) => (index % 2 === 0 ? String(part) : show(part))).join("");
}

function restOf(record: LogRecord): string {
  const raw = typeof record.rawMessage === "string" ? record.rawMessage : "";
  return Object.entries(record.properties)
    .filter(([key]) => !raw.includes(`{${key}}`))
    .map(([key, value]) => ` ${key}=${SECRET_NAME.test(key) ? "***" : show(value)}`)
    .join("");
}

function show(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof AggregateError && value.errors.length > 0) return value.errors.map(show).join(" -- ");
  if (value instanceof Error) return value.name === "Error" ? value.message : `${value.name}: ${value.message}`;
  try {
    return JSON.stringify(value, (key, inner) => plain(key, inner, false)) ?? String(value);
  } catch {
    return String(value);
  }
}

function plain(key: string, value: unknown, stacks: boolean): unknown {
  if (SECRET_NAME.test(key) && value !== null && value !== undefined) return "***";
  if (typeof value === "bigint") return String(value);
  if (typeof value === "string") return redact(value);
  if (!(value instanceof Error)) return value;
  const { name, message, stack } = value;
  const parts = value instanceof AggregateError ? { errors: value.errors } : {};
  return { name, message, ...parts, ...(stacks ? { stack } : {}) };
}

function stacksOf(record: LogRecord): string {
  return Object.values(record.properties)
    .filter((value) => value instanceof Error)
    .map((error) => `\n${error.stack ?? ""}`)
    .join("");
}
