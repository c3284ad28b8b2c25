/**
 * What buttons do: each names its action in `data-do`, and what it is about. Changes go through the API, whose guards
 * hold for them as for any program; then the page is asked again.
 */
import { words } from "../view/words.ts";
import { change } from "./ask.ts";
import { actOn, gathered } from "./bulk.ts";
import { confirmed } from "./dialog.ts";
import { showKeys } from "./key-help.ts";
import type { Shown } from "./shown.ts";
import { tell, telling } from "./told.ts";

const API = "/api/v1";
const COLLECTIONS: Readonly<Record<string, string>> = {
  queue: "queues",
  type: "types",
  schedule: "schedules",
  task: "tasks",
  executor: "executors",
};

export function listenToClicks(shown: Shown | null): void {
  document.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLElement>("[data-do]");
    if (button === null) return;
    if (button.dataset.do === "keys") {
      showKeys();
      return;
    }
    telling(() => act(button, shown));
  });
  document.addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement;
    if (form.dataset.enqueue === undefined) return;
    event.preventDefault();
    const { enqueue: type } = form.dataset;
    telling(() => enqueue(form, type));
  });
}

async function act(button: HTMLElement, shown: Shown | null): Promise<void> {
  const { do: what, id, kind, name, query } = button.dataset;
  if (what === "cancel" || what === "retry") {
    if (id !== undefined) await actOn([id], what);
    else if (query !== undefined) await actOnQuery(query, what);
    else return;
  } else if (what !== undefined && kind !== undefined && name !== undefined) {
    const isPause = what === "pause" && kind !== "schedule";
    const { dialog, actions } = words;
    const question = { title: dialog.pause(kind, name), text: dialog.pauseWhy, yes: actions.pause };
    const leaving = { title: dialog.drain(name), text: dialog.drainWhy, yes: actions.drain, isBad: true };
    if (isPause && !(await confirmed(question))) return;
    if (what === "drain" && !(await confirmed(leaving))) return;
    const path = `${API}/${COLLECTIONS[kind]}/${encodeURIComponent(name)}/${what}`;
    const { taken } = (await change("POST", path, {})) as { readonly taken?: boolean };
    tell(taken === false ? words.told.untold(name) : words.told.changed(what, name));
  }
  await shown?.refresh();
}

/** A group: counted first, then changed. */
async function actOnQuery(query: string, what: "cancel" | "retry"): Promise<void> {
  const ids = await gathered(query);
  const title = words.dialog.many(words.actions[what], ids.length);
  const typed = ids.length > 100 ? { typed: String(ids.length) } : {};
  if (!(await confirmed({ title, text: query, yes: words.actions[what], isBad: what === "cancel", ...typed }))) return;
  await actOn(ids, what);
}

async function enqueue(form: HTMLFormElement, type: string): Promise<void> {
  const problem = form.querySelector<HTMLElement>(".problem");
  try {
    const { payload, queue, delay } = readForm(form);
    const task = {
      ...{ type, payload },
      ...(queue === "" ? {} : { queue }),
      ...(delay === 0 ? {} : { delay_ms: Math.round(delay * 1_000) }),
    };
    const receipt = (await change("POST", `${API}/tasks`, task)) as { readonly id: string };
    location.href = `/ui/tasks/${encodeURIComponent(receipt.id)}`;
  } catch (error) {
    if (problem === null) return;
    problem.hidden = false;
    problem.textContent = error instanceof Error ? error.message : String(error);
  }
}

function readForm(form: HTMLFormElement): {
  readonly payload: unknown;
  readonly queue: string;
  readonly delay: number;
} {
  const textOf = (name: string): string => form.querySelector<HTMLInputElement>(`[name="${name}"]`)?.value.trim() ?? "";
  const json = form.querySelector<HTMLTextAreaElement>('[name="json"]:not([data-as])');
  const fields = [...form.querySelectorAll<HTMLInputElement>("[data-as]")].filter(({ value }) => value !== "");
  const members = fields.map(
    (field) => [field.name, field.dataset.as === "text" ? field.value : parsed(field)] as const,
  );
  const payload = json === null ? Object.fromEntries(members) : parsed(json);
  return { payload, queue: textOf("~queue"), delay: Number(textOf("~delay") || 0) };
}

function parsed({ name, value }: { readonly name: string; readonly value: string }): unknown {
  try {
    return JSON.parse(value);
  } catch {
    throw new Error(words.dialog.noJson(name, value.slice(0, 60)));
  }
}
