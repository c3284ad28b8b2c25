/**
 * Reads JSON that a person wrote and tells where it is wrong: line and column, the same on every runtime.
 * The runtime's parser decides whether it is JSON; the walk below only finds the place, after a failure.
 */

import { isTooDeep } from "../../task/message/message.ts";
import { MAX_MESSAGE_DEPTH } from "../../task/message/message-schema.ts";

/** What was read, or where it stops being JSON. */
export type ReadJson = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly reason: string };

/** Reads one JSON document, as deep as a task can be. Never throws. */
export function readJson(text: string): ReadJson {
  // Before it is parsed: a parser may itself fall over the depth.
  if (isTooDeep(text)) return { ok: false, reason: `nested deeper than ${MAX_MESSAGE_DEPTH} levels` };
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch (error) {
    const at = failurePosition(text);
    if (at === null) return { ok: false, reason: error instanceof Error ? error.message : String(error) };
    const before = text.slice(0, at).split("\n");
    const place = `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
    const found = at >= text.length ? "the end of the text" : JSON.stringify(text.slice(at, at + 12));
    return { ok: false, reason: `not JSON at ${place}: unexpected ${found}` };
  }
}

const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy;
const SCALAR = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/y;

type Expecting = "value" | "value or ]" | "key" | "key or }" | ":" | ", or close" | "end";

// A pushdown automaton over tokens: `open` holds the brackets that are not closed yet.
function failurePosition(text: string): number | null {
  const open: string[] = [];
  let expecting: Expecting = "value";
  for (let at = skip(SPACE, text, 0); at < text.length; ) {
    const { token, end } = tokenAt(text, at);
    const next: Expecting | null = token === null ? null : step(token, expecting, open);
    if (next === null) return at;
    expecting = next;
    at = skip(SPACE, text, end);
  }
  return expecting === "end" ? null : text.length;
}

type Token = "string" | "scalar" | "{" | "}" | "[" | "]" | "," | ":";

function tokenAt(text: string, at: number): { readonly token: Token | null; readonly end: number } {
  const character = text[at] ?? "";
  if ("{}[],:".includes(character)) return { token: character as Token, end: at + 1 };
  const string = skip(STRING, text, at);
  if (string > at) return { token: "string", end: string };
  const scalar = skip(SCALAR, text, at);
  return { token: scalar > at ? "scalar" : null, end: scalar };
}

/** What is expected behind this token; null when it may not stand here. */
function step(token: Token, expecting: Expecting, open: string[]): Expecting | null {
  const value = expecting === "value" || expecting === "value or ]";
  switch (token) {
    case "scalar":
      return value ? afterValue(open) : null;
    case "string":
      if (expecting === "key" || expecting === "key or }") return ":";
      return value ? afterValue(open) : null;
    case "{":
    case "[":
      if (!value) return null;
      open.push(token);
      return token === "{" ? "key or }" : "value or ]";
    case ":":
      return expecting === ":" ? "value" : null;
    case ",":
      if (expecting !== ", or close") return null;
      return open.at(-1) === "{" ? "key" : "value";
    case "}":
    case "]": {
      const fits = open.at(-1) === (token === "}" ? "{" : "[");
      if (!fits || (expecting !== ", or close" && !expecting.endsWith(` or ${token}`))) return null;
      open.pop();
      return afterValue(open);
    }
  }
}

function afterValue(open: readonly string[]): Expecting {
  return open.length === 0 ? "end" : ", or close";
}

function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return at + (pattern.exec(text)?.[0].length ?? 0);
}
