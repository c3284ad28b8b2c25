/** Changes to the text of a query: the state that a click asks for takes the place of the one that stands there. */
const STATE = /(?:^|\s)state:(\S*)/;

/** The state that a query names; null: none. */
export function stateOf(query: string): string | null {
  return STATE.exec(query)?.[1] ?? null;
}

/** The query with this state in the place of its own; null: with none. */
export function withState(query: string, state: string | null): string {
  const rest = query.replace(STATE, "").trim();
  return [state === null ? "" : `state:${state}`, rest].filter((part) => part !== "").join(" ");
}

/** What a term may begin with. */
export const QUERY_TERMS = [
  ...["state:dead", "state:queued", "state:running", "state:scheduled", "state:retrying", "state:done"],
  ...["state:cancelled", "type:", "queue:", "id:", "executor:", "error:", "payload.", "age>", "run>", "attempt>"],
] as const;
