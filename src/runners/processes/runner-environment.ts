/**
 * The environment of whatever runs what is not ours: closed, so that nothing of the executor's own gets there. What an
 * executor is told by its environment (its settings, the token, a broker's password), what its supervisor hands it, and
 * what changes the runtime that it is made of is left out, whoever asks for it.
 */

type Environment = Readonly<Record<string, string | undefined>>;

/** Ours, systemd's for this very process, what makes Bun run something else, and secrets of the collector of spans. */
const NEVER = new RegExp(
  "^(?:TASKEXE_.*|NOTIFY_SOCKET|WATCHDOG_.*|LISTEN_.*|CREDENTIALS_DIRECTORY|JOURNAL_STREAM|" +
    "OTEL_EXPORTER_OTLP_(?:[A-Z]+_)?HEADERS|" +
    "BUN_OPTIONS|BUN_BE_BUN|BUN_INSPECT.*|BUN_JSC_.*|BUN_RUNTIME_TRANSPILER_CACHE_PATH)$",
);
/** What hardly any program does without. */
const ALWAYS = /^(?:PATH|HOME|LANG|LC_.*|TZ|TMPDIR|NODE_ENV|PYTHON.*)$/;

/**
 * What a runner finds in its environment.
 *
 * @param environment - that of this process.
 * @param passes - names of variables, in which `*` stands for any text (the setting `runner_env`).
 * @param own - what its table says; it may say anything.
 */
export function runnerEnvironment(
  environment: Environment,
  passes: readonly string[],
  own: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const passed = Object.entries(environment).flatMap(([name, value]) => {
    if (value === undefined || NEVER.test(name)) return [];
    return ALWAYS.test(name) || passes.some((pattern) => matches(name, pattern)) ? [[name, value] as const] : [];
  });
  return { ...Object.fromEntries(passed), ...own };
}

/** Without a regular expression: the pattern is somebody's. */
function matches(name: string, pattern: string): boolean {
  const [first = "", ...parts] = pattern.split("*");
  const last = parts.pop();
  if (last === undefined) return name === pattern;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const part of parts) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
