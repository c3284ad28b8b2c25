/**
 * Every function of ours that reads text from outside with regular expressions, each with the text put where a stranger
 * can put it. A new one belongs here: linear-time.test.ts gives each of them text that grows.
 */
import type { LogRecord } from "@logtape/logtape";
import { adviceOn, redisRefusal, refusalText } from "../../src/broker/redis/connection/advice.ts";
import { isAnswer, kindOfAnswer } from "../../src/broker/redis/connection/answers.ts";
import { readFacts } from "../../src/broker/redis/connection/server-facts.ts";
import { readJson } from "../../src/cli/arguments/json-text.ts";
import { jsonFormat, prettyFormat } from "../../src/cli/output/log-format.ts";
import { describe } from "../../src/cli/output/report-failure.ts";
import { nearest } from "../../src/config/nearest.ts";
import { holdsPassword, redact, shownName, shownValue } from "../../src/config/redact.ts";
import { toErrorRecord } from "../../src/handlers/error-record.ts";
import { importProblem } from "../../src/handlers/loading/import-problem.ts";
import { ownImports, usesDecorators, usesParameterDecorators } from "../../src/handlers/loading/typescript-settings.ts";
import { cameThrough } from "../../src/http/api/guard/proxy-headers.ts";
import { Sessions } from "../../src/http/api/guard/session.ts";
import { canonical } from "../../src/http/ip-loopback.ts";
import { preferencesOf } from "../../src/http/page/preferences.ts";
import { treeOf } from "../../src/http/page/view/exact-json.ts";
import { stateOf, withState } from "../../src/http/page/view/query-text.ts";
import { firstLine, lines, name } from "../../src/http/page/view/text.ts";
import { nameOfHost } from "../../src/http/sound-request.ts";
import { readQuery } from "../../src/operations/search/task-query.ts";
import { isTooDeep, parseMessage } from "../../src/task/message/message.ts";
import {
  endlessNumber,
  JsonText,
  oneLine,
  payloadIn,
  withPayloadTexts,
  writeJson,
} from "../../src/task/text/json-text.ts";
import { printable } from "../../src/task/text/printable.ts";
import { nextRun } from "../../src/task/times/cron.ts";
import { parseDuration } from "../../src/task/times/durations.ts";
import { readTime } from "../../src/task/times/times.ts";

/** What a door makes of the text does not matter, nor whether it refuses it: only how long that takes. */
export type Door = (text: string) => unknown;

const pretty = prettyFormat({ colours: false, stacks: true });
const json = jsonFormat({ stacks: true });

export const DOORS: Readonly<Record<string, Door>> = {
  redact,
  "a value in an error": shownValue,
  "an object in an error": (text) => shownValue({ text }),
  "a name in an error": shownName,
  "an address of a broker": holdsPassword,
  "a message of the log": (text) => pretty(line([text])),
  "a value in the log": (text) => pretty(line(["", text, ""], { text })),
  "an error in the log": (text) => pretty(line(["", failed(text), ""], { error: failed(text) })),
  "a message of the log as JSON": (text) => json(line([text])),
  "a value in the log as JSON": (text) => json(line([""], { text, inner: { deep: [text] } })),
  "an error in the log as JSON": (text) => json(line([""], { error: failed(text) })),
  "a name in the log": (text) => [pretty, json].map((format) => format(line([""], { [text]: text }))),
  "text for a terminal": (text) => [printable(text), printable(text, "lines")],
  "a failure": (text) => describe(failed(text)).map(redact),
  "a message of a broker": parseMessage,
  "a message with such a payload": (text) => parseMessage(JSON.stringify({ id: "x", task_type: "y", payload: text })),
  "a message with such options": (text) =>
    parseMessage(`{"id":"x","task_type":"y","payload":1,"taskexe":{"a":"${text}`),
  "its depth": isTooDeep,
  "its payload": (text) => payloadIn(`{"payload":${text}}`),
  "a number in it": endlessNumber,
  "a JSON text": (text) => [oneLine(text), writeJson({ payload: new JsonText(JSON.stringify(text)) })],
  "payloads in JSON": (text) => withPayloadTexts(`{"payload":${JSON.stringify(text)}}`, { payload: text }),
  "JSON of the command line": readJson,
  "a JSON text of the command line": (text) => readJson(JSON.stringify({ text })),
  "a time": readTime,
  "a duration": parseDuration,
  "a schedule": (text) => nextRun(text, null, 0),
  "an interval": (text) => nextRun(`@every ${text}`, null, 0),
  "a time zone": (text) => nextRun("* * * * *", text, 0),
  "a mistyped name": (text) => nearest(text, ["concurrency", "broker"]),
  "an error of a handler": (text) => toErrorRecord(failed(text)),
  "an answer of Redis": (text) => {
    const error = Object.assign(new Error(text), { name: "ReplyError" });
    return [kindOfAnswer(text), isAnswer(error), adviceOn(text), redisRefusal(error), refusalText(error)];
  },
  "what Redis says of itself": readFacts,
  "an error of an import": (text) => importProblem("/nowhere/handler.ts", failed(text), ["taskexe"]),
  "a syntax error of an import": (text) =>
    importProblem("/nowhere/x.ts", Object.assign(failed(text), { name: "SyntaxError" }), ["taskexe"]),
  "the source of a handler": (text) => [
    usesDecorators(`@${text}`),
    usesParameterDecorators(`@${text}`),
    ownImports(text),
  ],
  "a query": (text) => refusable(() => readQuery(text.slice(0, 2_000))),
  "the state in a query": (text) => [stateOf(text), withState(text, "dead")],
  "a JSON text for people": (text) => [treeOf(text), treeOf(JSON.stringify({ text }))],
  "the cookies of a browser": preferencesOf,
  "a session": (text) => new Sessions().find("h:1", `taskexe_session_1=${text}; ${text}`, []),
  "text for the page": (text) => [name(text), lines(text), firstLine(text)],
  "a Host": (text) => nameOfHost(text),
  "an address of a client": canonical,
  "a name of a header": (text) => cameThrough({ [text]: "x" }),
};

function refusable(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    return error;
  }
}

function failed(text: string): Error {
  return Object.assign(new Error(text), { stack: `Error: ${text}\n    at ${text}` });
}

function line(message: readonly unknown[], properties: Record<string, unknown> = {}): LogRecord {
  const rawMessage = message.map((part, at) => (at % 2 === 0 ? String(part) : "{value}")).join("");
  return { category: ["taskexe", "task"], level: "info", timestamp: 0, message, rawMessage, properties };
}

/** What makes expressions go back and forth, repeated; alone, and before an end that lets none of them match. */
export const HOSTILE: readonly string[] = [
  ..."a :/@.-+=?\n\t\"'`\\{}[](),0\u200d\u00e9\ud83d<>*#&%$",
  ...[
    "a://b:",
    "a://",
    "redis:",
    "redis:///",
    "a:b",
    "a@",
    "a=",
    "?token=",
    "a.b-",
    "a+",
    ":x@",
    "a:b@",
    ".a:",
    "://@",
  ],
  ...[
    "[user:password@]",
    "/*",
    "//",
    "*/",
    "'\"",
    '\\"',
    '"a',
    '"a"',
    "`${",
    "(@a",
    ",@a(",
    "@a ",
    "from '",
    "import(",
    "import 'a",
  ],
  ...[
    "file://",
    "file:///a:1",
    " ('",
    "1.",
    "1s",
    "1e9",
    "9999",
    "-1",
    "1,",
    "[{",
    '{"a":',
    '"payload":',
    '"taskexe":',
    "\\u",
  ],
  ...[
    "Cannot find module '",
    'Import "',
    'Module not found "',
    "imported from: ",
    "SyntaxError: ",
    " at file://",
    "at defineTask (",
  ],
  ...[
    "WRONGTYPE ",
    "NOPERM ",
    "\r\n",
    "a\n",
    " \n",
    "x-forwarded-",
    "client-ip",
    "-client-",
    "::",
    "@every ",
    "2026-01-01T",
  ],
];
