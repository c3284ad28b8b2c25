/** How the browser asks the API, and changes something through it. */
import { AskError, problemIn } from "../view/page.ts";

/** @throws (rejects) AskError. */
export function ask(path: string): Promise<string> {
  return sent(path, {});
}

/** @throws (rejects) AskError. */
export async function change(method: "POST" | "PUT" | "DELETE", path: string, body?: unknown): Promise<unknown> {
  const headers = { "Content-Type": "application/json" };
  const text = await sent(path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  return JSON.parse(text);
}

async function sent(path: string, init: RequestInit): Promise<string> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, credentials: "same-origin", cache: "no-store" });
  } catch {
    throw new AskError(0, "the executor does not answer");
  }
  const text = await response.text();
  if (response.ok) return text;
  throw new AskError(response.status, problemIn(text) ?? `HTTP ${response.status}`);
}
