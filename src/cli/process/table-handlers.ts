/** The handlers that the configuration file defines, beside those of files. */
import { getLogger } from "@logtape/logtape";
import { keepSecrets } from "../../config/redact.ts";
import type { Settings } from "../../config/settings.ts";
import type { HttpTable } from "../../config/tables/handler-tables.ts";
import { readSecretFile } from "../../config/tables/secret-file.ts";
import type { Handler } from "../../handlers/handler.ts";
import type { HandlerSet } from "../../handlers/handler-set.ts";
import { HttpHandler } from "../../handlers/http/http-handler.ts";
import { DuplicateHandlerError } from "../../handlers/registry.ts";
import { readAllowedHost } from "../../runtime/net/allowed-host.ts";
import { CommandFailure, EXIT_USAGE } from "./exit.ts";

const log = getLogger(["taskexe"]);

/** How long a request may take where nobody says it, in ms: the other side may never answer. */
const HTTP_TIMEOUT_MS = 300_000;
/** Headers whose values are secrets. */
const SECRET_HEADER = /auth|cookie|key|password|secret|token/i;

/**
 * Makes the handlers of the endpoints and adds them.
 *
 * @returns what closes the connections that they do not use just now, and later those that they do.
 * @throws ConfigError where a secret cannot be read, CommandFailure where a file defines the same type.
 */
export function addEndpoints(handlers: HandlerSet, settings: Settings): () => void {
  const endpoints = settings.tables.https.map((table) => {
    const endpoint = endpointOf(table, settings);
    addHandler(handlers, endpoint, table.origin);
    return endpoint;
  });
  return () => {
    for (const endpoint of endpoints) endpoint.close();
  };
}

function endpointOf({ type, origin, url, secretFile, allow, headers, options }: HttpTable, settings: Settings) {
  const { keys, warning } = secretFile === null ? NO_SECRET : readSecretFile(secretFile, origin);
  if (warning !== null) log.warn(warning);
  keepSecrets(Object.entries(headers).flatMap(([name, value]) => (SECRET_HEADER.test(name) ? secretsIn(value) : [])));
  const timeoutMs = options.timeoutMs ?? (settings.timeoutMs === null ? HTTP_TIMEOUT_MS : undefined);
  return new HttpHandler({
    type,
    url: new URL(url),
    keys,
    allow: allow.map(readAllowedHost).filter((host) => host !== null),
    headers,
    options: { ...options, timeoutMs },
    concurrency: settings.concurrency,
  });
}

const NO_SECRET = { keys: [], warning: null };

/** The value, and what stands behind its scheme, as in `Bearer abc`. */
function secretsIn(value: string): string[] {
  return [value, ...value.split(" ").slice(1)];
}

/** @throws CommandFailure where another handler has its type. */
export function addHandler(handlers: HandlerSet, handler: Handler, origin: string): void {
  try {
    handlers.add(handler, origin);
  } catch (error) {
    if (error instanceof DuplicateHandlerError) throw new CommandFailure(error.message, EXIT_USAGE);
    throw error;
  }
}
